import type { RetryBudget } from '../breaker/retry-budget';
import type { Clock } from '../internal/clock';
import { STATUS_NAMES, statusNameOf } from '../policy/status-names';
import type { LaneCall } from './lane-call';

const NONE: string[] = [];
/** Whatever a failed attempt can end with, save what the caller did or what has cost him all his time. */
const ANY_FAILURE: string[] = STATUS_NAMES.filter((name) => name !== 'CANCELLED' && name !== 'DEADLINE_EXCEEDED');

/**
 * Says at each failure whether the call is tried again, in the form that grpc-js asks for: the codes that may be retried
 * just now. One for each service and client. Saying no here gives the caller the real status at once.
 */
export class RetryGate {
  readonly #budget: RetryBudget;
  readonly #clock: Clock;

  constructor(budget: RetryBudget, clock: Clock) {
    this.#budget = budget;
    this.#clock = clock;
  }

  retryableCodes(call: LaneCall): string[] {
    if (call.isRefused) return NONE;
    // It ran nowhere, so that trying it elsewhere is nobody's second run and costs no server anything.
    if (call.lastEnding === 'unseen') return ANY_FAILURE;
    if (!call.canTryAgain) return NONE;
    // Drawn from the budget when it was given up.
    if (call.lastEnding === 'given-up') return ANY_FAILURE;
    // It was sent to an endpoint under suspicion for our sake, so a connection that breaks is ours to mend, whatever is left
    // of the budget. It counts all the same: with everything failing, probes would come on top of it. What the server
    // answered is an answer, whatever its code.
    const name = statusNameOf(call.lastCode);
    if (call.wasProbe && call.lastEnding === 'broken' && name !== undefined && ANY_FAILURE.includes(name)) {
      this.#budget.takeRetry(this.#clock.now());
      return ANY_FAILURE;
    }
    const codes = call.retry?.retryableStatusCodes as string[];
    // What reached nobody cost no server anything.
    if (call.lastCode < 0) return codes;
    if (name === undefined || !codes.includes(name)) return NONE;
    return this.#budget.tryRetry(this.#clock.now()) ? codes : NONE;
  }

  /** Draws the retry that follows an attempt which we are about to give up. False: the budget is spent; let it go on. */
  drawForGivenUp(isProbe: boolean): boolean {
    const nowMs = this.#clock.now();
    if (isProbe) this.#budget.takeRetry(nowMs);
    return isProbe || this.#budget.tryRetry(nowMs);
  }
}
