import type { RetryBudget } from '../breaker/retry-budget';
import type { Clock } from '../internal/clock';
import type { RetryPlan } from '../policy/plan';
import { STATUS_NAMES, statusNameOf } from '../policy/status-names';
import type { LaneCall } from './lane-call';

const NONE: string[] = [];
/** What a failed probe may be retried after: not what the caller did, nor what has cost him all his time. */
const AFTER_PROBE: string[] = STATUS_NAMES.filter((name) => name !== 'CANCELLED' && name !== 'DEADLINE_EXCEEDED');

/**
 * Says at each failure whether the call is tried again, in the form that grpc-js asks for: the codes that may be retried
 * just now. One for each service and lane. Saying no here gives the caller the real status at once.
 */
export class RetryGate {
  readonly #budget: RetryBudget;
  readonly #clock: Clock;

  constructor(budget: RetryBudget, clock: Clock) {
    this.#budget = budget;
    this.#clock = clock;
  }

  retryableCodes(call: LaneCall, retry: RetryPlan | undefined): string[] {
    if (retry === undefined || call.isRefused) return NONE;
    if ((call.tried?.length ?? 0) >= retry.maxAttempts) return NONE;
    // It was sent to an endpoint under suspicion for our sake, so its failure is ours to mend, whatever is left of the
    // budget. It counts all the same: with everything failing, probes would come on top of it.
    if (call.wasProbe) {
      this.#budget.takeRetry(this.#clock.now());
      return AFTER_PROBE;
    }
    const codes = retry.retryableStatusCodes as string[];
    // What reached nobody cost no server anything.
    if (call.lastCode < 0) return codes;
    const name = statusNameOf(call.lastCode);
    if (name === undefined || !codes.includes(name)) return NONE;
    return this.#budget.tryRetry(this.#clock.now()) ? codes : NONE;
  }
}
