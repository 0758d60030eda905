import type { Random } from '../base/random';

const FIRST_MS = 250;
const LAST_MS = 30_000;

/** Full jitter: anything between 0 and 250 ms, doubled for each failure before, up to 30 s. `failures` counts from 1. */
export function backoffMs(failures: number, random: Random): number {
  return random() * Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20));
}
