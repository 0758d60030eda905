import type { Clock } from './clock';

/** Paces what may come in bursts. */
export interface TokenBucket {
  /** Takes `cost` tokens (default 1), on credit if need be, and says how many milliseconds to wait for them: 0 is now. */
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
