import type { Clock } from './clock';
import type { Random } from './random';

/** Paces what may come in bursts. */
interface TokenBucket {
  /**
   * Takes `cost` tokens (default 1), on credit if need be, and says how many milliseconds to wait for them: 0 is now.
   */
  take(cost?: number): number;
}

export function createTokenBucket(clock: Clock, burst: number, perSecond: number): TokenBucket {
  let balance = burst;
  let filledAtMs = clock.now();
  return {
    take(cost = 1) {
      const nowMs = clock.now();
      balance = Math.min(burst, balance + ((nowMs - filledAtMs) / 1000) * perSecond) - cost;
      filledAtMs = nowMs;
      return balance >= 0 ? 0 : (-balance / perSecond) * 1000;
    },
  };
}

const FIRST_MS = 250;
const LAST_MS = 30_000;

/**
 * Full jitter: anything between 0 and 250 ms, doubled for each failure before, up to 30 s. `failures` counts from 1.
 */
export function backoffMs(failures: number, random: Random): number {
  return random() * Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20));
}
