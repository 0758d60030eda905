import type { BreakerPlan, SubsetBreakerPlan } from '../../policy/plan';
import type { Tally } from './circuit';

/** So many open the breaker of a subset, whatever went well before; more if its volume threshold is higher. */
const SUBSET_FAILURES_IN_A_ROW = 10;

/** The numbers of a breaker of either level. Those that only an endpoint has are off where they are missing. */
export type BreakerRules = SubsetBreakerPlan & Partial<Pick<BreakerPlan, 'consecutiveFailures' | 'silentFailures'>>;

/**
 * Failures in a row: of attempts as they end, or as they begin. An endpoint that has begun to fail at once still answers
 * slow calls that it was given before.
 */
export class FailureStreak {
  /** As attempts end. */
  #ended = 0;
  /**
   * Successes since the last failure, and how many failures in a row came before them: these count again when all of
   * the successes are taken back.
   */
  #successes = 0;
  #before = 0;
  /**
   * As they begin: when the first one failed, how many began since, and how many of these have failed, the first
   * included. No failure: there is no row.
   */
  #sinceMs = 0;
  #begun = 0;
  #failed = 0;

  get inARow(): number {
    return this.#begun === this.#failed ? Math.max(this.#ended, this.#failed) : this.#ended;
  }

  /** An attempt begins. */
  begun(): void {
    if (this.#failed > 0) this.#begun += 1;
  }

  failed(beganAtMs: number, nowMs: number): void {
    this.#ended += 1;
    if (this.#failed === 0) {
      this.#sinceMs = nowMs;
      this.#begun = 1;
      this.#failed = 1;
    } else if (beganAtMs >= this.#sinceMs) this.#failed += 1;
  }

  succeeded(beganAtMs: number): void {
    if (this.#ended > 0) {
      this.#before = this.#ended;
      this.#ended = 0;
      this.#successes = 0;
    }
    this.#successes += 1;
    if (beganAtMs >= this.#sinceMs) this.#failed = 0;
  }

  successTakenBack(): void {
    this.#successes -= 1;
    if (this.#successes === 0) this.#ended = this.#before;
  }

  failureTakenBack(): void {
    if (this.#ended > 0) this.#ended -= 1;
    this.#failed = 0;
  }

  clear(): void {
    this.#ended = 0;
    this.#failed = 0;
  }
}

/**
 * Why a closed breaker that has just counted a failure opens; undefined when it does not. opossum opens strictly above
 * its threshold; the policy says at or above.
 */
export function causeToOpen(
  rules: BreakerRules,
  failuresInARow: number,
  timeoutsInARow: number,
  circuit: { tally(): Tally },
): string | undefined {
  if (isReached(timeoutsInARow, rules.silentFailures)) return `${timeoutsInARow} deadlines in a row without an answer`;
  if (isReached(failuresInARow, rules.consecutiveFailures)) return `${failuresInARow} failures in a row`;
  const { successes, failures } = circuit.tally();
  const volume = successes + failures;
  if (volume >= rules.volumeThreshold && failures * 100 >= rules.errorThresholdPercentage * volume) {
    return `${failures} of ${volume} attempts failed`;
  }
  // A subset has no such number in its policy. Thousands of successes a moment ago are no reason to go on sending it
  // calls that all fail.
  if (rules.consecutiveFailures === undefined) {
    const most = Math.max(SUBSET_FAILURES_IN_A_ROW, rules.volumeThreshold);
    if (failuresInARow >= most) return `${failuresInARow} failures in a row`;
  }
  return undefined;
}

/** A limit of 0 is off. */
function isReached(count: number, limit: number | undefined): boolean {
  return limit !== undefined && limit > 0 && count >= limit;
}
