import type { DestinationDocument, SplitEntryDocument } from './document';
import { plainName } from './places/destination';

/** Decimals of a percentage: a bucket of a split is 0.01 %. */
const UNIT = 100;

/**
 * Gives `subset` so many percent; the other entries share what is left in the proportion that they had. Where all of
 * them had 0, `base` gets it, else the first of them. The weights are percentages afterwards, and their sum is 100.
 * Pure.
 */
export function setShare(
  split: readonly SplitEntryDocument[],
  subset: string,
  percent: number,
  base: string | undefined,
  nameOf: (to: DestinationDocument) => string | undefined = plainName,
): readonly SplitEntryDocument[] {
  const others = split.filter(({ to }) => nameOf(to) !== subset);
  const left = Math.round((100 - percent) * UNIT);
  const sum = others.reduce((total, { weight }) => total + weight, 0);
  const heir = others.find(({ to }) => to === base) ?? others[0];
  const units = new Map<SplitEntryDocument, number>();
  for (const other of others) {
    const share = sum > 0 ? other.weight / sum : Number(other === heir);
    units.set(other, Math.round(share * left));
  }
  // What rounding has left over or lent goes to the largest, where it is felt least.
  const given = [...units.values()].reduce((total, unit) => total + unit, 0);
  const [largest] = [...units].sort(([, a], [, b]) => b - a);
  if (largest !== undefined) units.set(largest[0], largest[1] + left - given);
  return split.map((entry) => ({
    ...entry,
    weight: nameOf(entry.to) === subset ? percent : (units.get(entry) ?? 0) / UNIT,
  }));
}
