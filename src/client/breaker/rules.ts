import type { BreakerPlan, SubsetBreakerPlan } from '../../policy/plan';
import type { Tally } from './circuit';

/** The numbers of either kind of breaker; those that only an endpoint has are off where they are missing. */
export type BreakerRules = SubsetBreakerPlan & Partial<Pick<BreakerPlan, 'consecutiveFailures' | 'silentFailures'>>;

export interface Streaks {
  readonly consecutiveFailures: number;
  readonly silentFailures: number;
}

/** So many open the breaker of a subset, whatever went well before; more where its volume threshold is higher. */
const SUBSET_FAILURES_IN_A_ROW = 10;

/**
 * Why a closed breaker that has just counted a failure opens; undefined when it does not. opossum opens strictly above its
 * threshold; the policy says at or above.
 */
export function causeToOpen(rules: BreakerRules, streaks: Streaks, tally: () => Tally): string | undefined {
  if (reached(streaks.silentFailures, rules.silentFailures)) {
    return `${streaks.silentFailures} deadlines in a row without an answer`;
  }
  if (reached(streaks.consecutiveFailures, rules.consecutiveFailures)) {
    return `${streaks.consecutiveFailures} failures in a row`;
  }
  const { successes, failures } = tally();
  const volume = successes + failures;
  if (volume >= rules.volumeThreshold && failures * 100 >= rules.errorThresholdPercentage * volume) {
    return `${failures} of ${volume} attempts failed`;
  }
  // A whole subset has no such number. What it did well until a moment ago, which may be a lot, is no reason to go on sending it
  // calls that all fail.
  if (rules.consecutiveFailures === undefined) {
    const most = Math.max(SUBSET_FAILURES_IN_A_ROW, rules.volumeThreshold);
    if (streaks.consecutiveFailures >= most) return `${streaks.consecutiveFailures} failures in a row`;
  }
  return undefined;
}

/** A limit of 0 is off. */
function reached(count: number, limit: number | undefined): boolean {
  return limit !== undefined && limit > 0 && count >= limit;
}
