import type { Clock } from '../../base/clock';
import { STATUS_NAMES, statusNameOf } from '../../base/status-names';
import type { Endpoint } from '../balancer/endpoints/endpoint';
import type { RetryBudget } from '../breaker/retry-budget';
import type { LaneCall } from './lane-call';

const NONE: string[] = [];
/** Turned away by others in more than this part of their attempts, a call that was turned away is not tried again. */
const MOST_SHED = 0.25;
/** Whatever a failed attempt can end with, save what the caller did or what has cost him all his time. */
const ANY_FAILURE: string[] = STATUS_NAMES.filter((name) => name !== 'CANCELLED' && name !== 'DEADLINE_EXCEEDED');

/**
 * Says at each failure whether the call is tried again, in the form that grpc-js asks for: the codes that may be retried
 * just now. One for each service and client. Saying no here gives the caller the real status at once.
 */
export class RetryGate {
  readonly #budget: RetryBudget;
  readonly #clock: Clock;
  readonly #shedBeside: (endpoint: Endpoint) => number;

  /** `shedBeside`: which part of the attempts at all other endpoints was turned away lately, in [0, 1]. */
  constructor(budget: RetryBudget, clock: Clock, shedBeside: (endpoint: Endpoint) => number) {
    this.#budget = budget;
    this.#clock = clock;
    this.#shedBeside = shedBeside;
  }

  retryableCodes(call: LaneCall): string[] {
    if (call.isRefused) return NONE;
    // It ran nowhere, so that trying it elsewhere is nobody's second run and costs no server anything.
    if (call.lastEnding === 'unseen') return ANY_FAILURE;
    if (!call.canTryAgain) return NONE;
    // grpc-js would not try it again either, but after it was drawn from the budget.
    if (call.pushbackMs !== undefined && call.pushbackMs < 0) return NONE;
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
    const isBroken = call.lastEnding === 'broken';
    if (this.#isRoomElsewhere(call) && this.#budget.tryRetry(this.#clock.now(), isBroken)) return codes;
    call.ranOutOfBudget();
    return NONE;
  }

  /** What was turned away is worth a second try only where others turn little away: else all of them get more than they can do. */
  #isRoomElsewhere({ wasLess, tried }: LaneCall): boolean {
    const last = tried?.at(-1);
    return !wasLess || last === undefined || this.#shedBeside(last) < MOST_SHED;
  }

  /** Draws the retry that follows an attempt which we are about to give up. False: the budget is spent; let it go on. */
  drawForGivenUp(isProbe: boolean): boolean {
    const nowMs = this.#clock.now();
    if (isProbe) this.#budget.takeRetry(nowMs);
    return isProbe || this.#budget.tryRetry(nowMs);
  }
}
