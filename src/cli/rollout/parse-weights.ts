import { InvalidArgumentError } from 'commander';

/** `5,25,50,100`: whole or decimal percent, rising. */
export function parseWeights(text: string): readonly number[] {
  const weights = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  const isRising = weights.every((weight, at) => weight > (weights[at - 1] ?? 0) && weight <= 100);
  if (!isRising) throw new InvalidArgumentError('(expected: percent above 0, rising, with commas: 5,25,50,100)');
  return weights;
}
