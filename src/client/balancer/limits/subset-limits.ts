import type { Clock, Timer } from '../../../base/clock';
import type { LimitsPlan, SubsetPlan } from '../../../policy/plan';
/** The limits of one service in one client, by subset. Empty in most services: a pick asks for nothing then. */
export class SubsetLimits {
  readonly #limits = new Map<string, SubsetLimit>();
  readonly #clock: Clock;
  readonly #lookAgain: () => void;
  #timer: Timer | undefined;
  #dueAtMs = 0;

  /** `lookAgain`: has channels pick again for calls that wait. */
  constructor(clock: Clock, lookAgain: () => void) {
    this.#clock = clock;
    this.#lookAgain = lookAgain;
  }

  get isEmpty(): boolean {
    return this.#limits.size === 0;
  }

  of(subset: string): SubsetLimit | undefined {
    return this.#limits.get(subset);
  }

  /** A limit whose numbers change keeps what it has counted. Called before pools are made of the plan. */
  configure(subsets: ReadonlyMap<string, SubsetPlan>): void {
    for (const name of this.#limits.keys()) if (subsets.get(name)?.limits === undefined) this.#limits.delete(name);
    for (const [name, { limits }] of subsets) {
      if (limits === undefined) continue;
      const known = this.#limits.get(name);
      if (known !== undefined) known.configure(limits);
      else this.#limits.set(name, new SubsetLimit(name, limits, this.#lookAgain));
    }
  }

  /** A call waits: it is looked at again when its time is over, if not before. */
  lookAgainIn(delayMs: number): void {
    const dueAtMs = this.#clock.now() + delayMs;
    if (this.#timer !== undefined && this.#dueAtMs <= dueAtMs) return;
    this.#timer?.cancel();
    this.#dueAtMs = dueAtMs;
    this.#timer = this.#clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      this.#lookAgain();
    });
  }

  views(): SubsetLimitView[] {
    return [...this.#limits.values()].map((limit) => limit.view());
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

/** Picks of which no attempt has come after this are forgotten: grpc-js gives up some of them without a word. */
const UNSTARTED_MS = 200;

/** How a limited subset stands, as `inspect()` and `explain()` show it. Plain JSON. */
export interface SubsetLimitView {
  /** Name of the subset. */
  readonly subset: string;
  /** As the policy limits it. */
  readonly maxInFlight: number;
  /** Attempts of this client at the subset, in all datacenters; streams for as long as they are open. */
  readonly inFlight: number;
  /** As the policy limits it. */
  readonly maxPending: number;
  /** Calls that wait for one of those to end. */
  readonly pending: number;
  /** Calls refused since the client was opened. */
  readonly refused: number;
}

/**
 * Counts what one client has in flight at one subset, and who waits. A pick counts at once, since grpc-js picks for all
 * calls of a burst before it starts the first; one that never starts is forgotten when the subset looks full.
 */
export class SubsetLimit {
  readonly subset: string;
  refused = 0;
  #plan: LimitsPlan;
  #inFlight = 0;
  /** Picked and not started: of this generation, and of the one before. */
  #picked = 0;
  #pickedBefore = 0;
  #generation = 0;
  #turnedAtMs = Number.NEGATIVE_INFINITY;
  /** Since when each waits, oldest first. */
  readonly #waiting = new Map<object, number>();
  /** A call that is not counted as waiting is queued by grpc-js. */
  #isAwaited = false;
  readonly #freed: () => void;

  /** `freed`: somebody waits, and a place is free. */
  constructor(subset: string, plan: LimitsPlan, freed: () => void) {
    this.subset = subset;
    this.#plan = plan;
    this.#freed = freed;
  }

  configure(plan: LimitsPlan): void {
    this.#plan = plan;
  }

  /** No room for one more attempt. `nowMs` is asked for only when it looks so. */
  isFull(now: () => number): boolean {
    const { maxInFlight } = this.#plan;
    if (this.#inFlight + this.#picked + this.#pickedBefore < maxInFlight) return false;
    if (this.#picked + this.#pickedBefore === 0) return true;
    const nowMs = now();
    if (nowMs - this.#turnedAtMs >= UNSTARTED_MS) {
      this.#turnedAtMs = nowMs;
      this.#pickedBefore = this.#picked;
      this.#picked = 0;
      this.#generation = (this.#generation + 1) | 0;
    }
    return this.#inFlight + this.#picked + this.#pickedBefore >= maxInFlight;
  }

  /** The same, as of the last pick. */
  get isReached(): boolean {
    return this.#inFlight + this.#picked + this.#pickedBefore >= this.#plan.maxInFlight;
  }

  /** An attempt was picked. Returns what `started` is told. */
  take(): number {
    this.#picked += 1;
    return this.#generation;
  }

  started(generation: number): void {
    this.#inFlight += 1;
    if (generation === this.#generation) this.#picked -= 1;
    else if (generation === this.#generation - 1) this.#pickedBefore -= 1;
  }

  ended(): void {
    this.#inFlight -= 1;
    if (this.#waiting.size === 0 && !this.#isAwaited) return;
    this.#isAwaited = false;
    this.#freed();
  }

  /**
   * The call would wait: for how much longer, in milliseconds. 0: as many wait as may, or this one has for long enough.
   * Nobody tells when a waiting call is given up by its caller: it keeps its place until its time is over.
   */
  waitsFor(call: object, nowMs: number, limitMs: number): number {
    for (const [waiting, sinceMs] of this.#waiting) {
      if (nowMs - sinceMs < limitMs) break;
      if (waiting !== call) this.#waiting.delete(waiting);
    }
    const sinceMs = this.#waiting.get(call);
    if (sinceMs !== undefined) {
      const leftMs = sinceMs + limitMs - nowMs;
      if (leftMs > 0) return leftMs;
      this.#waiting.delete(call);
      return 0;
    }
    if (this.#waiting.size >= this.#plan.maxPending) return 0;
    this.#waiting.set(call, nowMs);
    return limitMs;
  }

  /** A call that is refused, and goes on waiting by its own `waitForReady`, is picked again when a place is free. */
  await(): void {
    this.#isAwaited = true;
  }

  /** The call has been picked, or refused. */
  leave(call: object): void {
    if (this.#waiting.size > 0) this.#waiting.delete(call);
  }

  view(): SubsetLimitView {
    return {
      subset: this.subset,
      maxInFlight: this.#plan.maxInFlight,
      inFlight: this.#inFlight,
      maxPending: this.#plan.maxPending,
      pending: this.#waiting.size,
      refused: this.refused,
    };
  }
}
