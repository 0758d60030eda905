import type { Deadline } from '../grpc/grpc-js';

const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;

/**
 * For so long a call that was cancelled refuses the calls that its handler still makes. What runs in its context later
 * is no part of it, such as a refresh loop that the first call started.
 */
const REFUSES_FOR_MS = 60_000;

/**
 * A client whose deadline has passed cancels the call, a little before the deadline has passed here: it was sent as a
 * span of time, and took a while to arrive. A cancel this close to the deadline counts as the deadline.
 */
const CLOSE_MS = 50;

/** Why a call that is made for a served one ends, or does not begin. */
export interface Refusal {
  readonly code: number;
  readonly details: string;
}

/** A call that is made for a served one. */
export interface DependentCall {
  /** Called once, when the served call was cancelled or its deadline has passed. */
  endWith(refusal: Refusal): void;
}

/**
 * A call that this process is answering. Until it is answered, calls made for it have no more time than it has, and are
 * cancelled with it. Like `context.Context` of grpc-go, except that there the handler's return cancels what still runs.
 */
export class ServedCall {
  readonly method: string;
  /** When calls that are made for it end, on the clock of `#now`. */
  readonly #limitMs: number;
  readonly #deadlineMs: number;
  readonly #now: () => number;
  #dependents: Set<DependentCall> | undefined;
  #cancellation: Refusal | undefined;
  #cancelledAtMs = 0;
  #isAnswered = false;
  #isTriedOut = false;

  /** `deadline` may be infinite; `marginMs` of it is kept for the answer. grpc-js counts deadlines by `Date.now()`. */
  constructor(method: string, deadline: Deadline, marginMs: number, now: () => number = Date.now) {
    this.method = method;
    this.#deadlineMs = toMs(deadline);
    this.#limitMs = this.#deadlineMs - marginMs;
    this.#now = now;
  }

  /** A call that was made for it has failed: it was retried, or there was no budget for a retry. */
  failedBelow(): void {
    this.#isTriedOut = true;
  }

  /** If it fails, its caller need not retry it. */
  get isTriedOut(): boolean {
    return this.#isTriedOut;
  }

  /** The handler has given its status. Calls made in its context are bound no more, and those that run go on. */
  answered(): void {
    this.#isAnswered = true;
    this.#dependents = undefined;
  }

  /**
   * The call has ended without a status of its handler: its client cancelled it or is gone, or its deadline has passed.
   */
  cancelled(): void {
    if (this.#isAnswered || this.#cancellation !== undefined) return;
    this.#cancelledAtMs = this.#now();
    this.#cancellation =
      this.#cancelledAtMs + CLOSE_MS < this.#deadlineMs
        ? {
            code: CANCELLED,
            details: `Cancelled on client: the call being served, ${this.method}, was cancelled, or its client is gone`,
          }
        : { code: DEADLINE_EXCEEDED, details: `Deadline exceeded: ${this.#deadlineInWords}` };
    const dependents = this.#dependents ?? [];
    this.#dependents = undefined;
    for (const dependent of dependents) dependent.endWith(this.#cancellation);
  }

  /** The shorter of the two: `own` itself, or the time that the served call leaves. */
  shorten(own: Deadline): Deadline {
    return this.#limitMs < toMs(own) && !this.#letsGo() ? this.#limitMs : own;
  }

  /** Why a call may not begin now; undefined when it may. */
  refuses(): Refusal | undefined {
    if (this.#letsGo()) return undefined;
    if (this.#cancellation !== undefined) return this.#cancellation;
    if (this.#limitMs === Number.POSITIVE_INFINITY) return undefined;
    const leftMs = this.#deadlineMs - this.#now();
    const marginMs = this.#deadlineMs - this.#limitMs;
    if (leftMs > marginMs) return undefined;
    const margin = leftMs > 0 ? ` (${leftMs} ms left, of which deadlineMarginMs keeps ${marginMs})` : '';
    const details = `Deadline exceeded before the call was sent: ${this.#deadlineInWords}${margin}`;
    return { code: DEADLINE_EXCEEDED, details };
  }

  /** A call that was shortened has ended with DEADLINE_EXCEEDED: says whose deadline it was. */
  explain(details: string): string {
    // Timers of Node may be early by a millisecond.
    return this.#now() + 1 < this.#limitMs ? details : `${details} (${this.#deadlineInWords})`;
  }

  /** Each dependent leaves with `remove()` when it ends, so that a stream of hours holds only what runs. */
  add(dependent: DependentCall): void {
    if (this.#isAnswered || this.#cancellation !== undefined) return;
    this.#dependents ??= new Set();
    this.#dependents.add(dependent);
  }

  remove(dependent: DependentCall): void {
    this.#dependents?.delete(dependent);
  }

  get #deadlineInWords(): string {
    return `deadline of the call being served, ${this.method}`;
  }

  #letsGo(): boolean {
    if (this.#isAnswered) return true;
    return this.#cancellation !== undefined && this.#now() - this.#cancelledAtMs >= REFUSES_FOR_MS;
  }
}

function toMs(deadline: Deadline): number {
  return deadline instanceof Date ? deadline.getTime() : deadline;
}
