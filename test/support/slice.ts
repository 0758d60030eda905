import { seededRandom } from '../../src/base/random';

/** Set for `npm run test:long`; see vitest.config.mts, which names the files that have slices. */
export const isLong: boolean = process.env['LONG'] !== undefined;

/** So many runs of a property; four times as many in `npm run test:long`. */
export function runs(whole: number): number {
  return isLong ? whole : Math.ceil(whole / 4);
}

/**
 * So many cells of a matrix, drawn by `SEED` (1), in their order; all of them in `npm run test:long`. For what repeats one
 * thing in many forms.
 */
export function sliceOf<T>(cells: readonly T[], count: number): T[] {
  if (isLong) return [...cells];
  const random = seededRandom(Number(process.env['SEED'] ?? 1));
  const drawn = cells.map((cell, at) => ({ cell, at, lot: random() })).sort((a, b) => a.lot - b.lot);
  return drawn
    .slice(0, count)
    .sort((a, b) => a.at - b.at)
    .map(({ cell }) => cell);
}
