import type { Random } from '../../base/random';

/** Share of a delay that chance may take away, so that the breakers of many clients do not probe in step. */
const JITTER = 0.2;

export interface ResetBounds {
  readonly resetTimeoutMs: number;
  readonly maxResetTimeoutMs: number;
}

/**
 * How long a breaker stays open, doubling with each probe that failed since it was last closed. Jitter only shortens: a
 * cured endpoint is never probed later than the policy says.
 */
export function resetDelayMs(failedProbes: number, bounds: ResetBounds, random: Random): number {
  return longestResetDelayMs(failedProbes, bounds) * (1 - JITTER * random());
}

export function longestResetDelayMs(failedProbes: number, bounds: ResetBounds): number {
  return Math.min(bounds.resetTimeoutMs * 2 ** failedProbes, bounds.maxResetTimeoutMs);
}
