import { InvalidArgumentError } from 'commander';

/** A number above 0. */
export function parsePositive(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0) || !Number.isFinite(value))
    throw new InvalidArgumentError('(expected: a number > 0)');
  return value;
}

export function parseWhole(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('(expected: a whole number > 0)');
  return Number(text);
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const LONGEST_DAYS = 30;

/** `90s`, `30m`, `2h`, `1d`, up to thirty days; in milliseconds. */
export function parseDuration(text: string): number {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNIT_MS[unit ?? ''] ?? Number.NaN);
  if (!(ms > 0) || ms > LONGEST_DAYS * 86_400_000) {
    throw new InvalidArgumentError(`(expected: 90s, 30m, 2h or 1d, at most ${LONGEST_DAYS}d)`);
  }
  return ms;
}
