const BUCKETS = 10;
const BUCKET_MS = 1000;
/**
 * A lost connection takes all calls under way with it at once, however few calls there are; and it is no answer, which
 * layers of servers would multiply. So what broke off has a floor so many times as high.
 */
const BROKEN_FACTOR = 20;

export interface RetryBudgetRules {
  /** Retries per hundred calls of the last ten seconds; see {@link RetryBudget.calls}. */
  readonly percent: number;
  /**
   * Allowed however few the calls: so many in ten seconds, divided by ten. Twenty times as many of attempts that broke
   * off.
   */
  readonly minPerSecond: number;
}

/**
 * One service's allowance of retries in one client. A ring of one-second buckets: no timers, and nothing is allocated
 * after construction. Times are monotonic milliseconds and do not go back.
 */
export class RetryBudget {
  /** Retries of the last ten seconds. */
  retries = 0;
  /** Retries that `tryRetry` has refused so far. */
  refused = 0;
  #percent = 0;
  #minPerSecond = 0;
  #inFlight = 0;
  #allBegun = 0;
  #allEnded = 0;
  /** Seconds since the clock's zero of the newest bucket. */
  #second = Number.NEGATIVE_INFINITY;
  /** Calls that began, and ended, in that second. */
  readonly #begun: number[] = new Array<number>(BUCKETS).fill(0);
  readonly #ended: number[] = new Array<number>(BUCKETS).fill(0);
  readonly #retries: number[] = new Array<number>(BUCKETS).fill(0);
  /** Of the retries, those that `takeRetry` drew. */
  readonly #forced: number[] = new Array<number>(BUCKETS).fill(0);
  #allForced = 0;

  constructor(rules: RetryBudgetRules) {
    this.configure(rules);
  }

  /** Takes new rules without forgetting what was counted. */
  configure(rules: RetryBudgetRules): void {
    this.#percent = rules.percent;
    this.#minPerSecond = rules.minPerSecond;
  }

  /**
   * The largest of three: the calls that began within the last ten seconds, those that ended within them, and those
   * under way now. So calls that take long count too, and no call counts twice.
   */
  get calls(): number {
    return Math.max(this.#allBegun, this.#allEnded, this.#inFlight);
  }

  /** A call's first attempt begins; until then the call has cost no server anything. */
  callStarted(nowMs: number): void {
    const slot = this.#advance(nowMs);
    this.#inFlight += 1;
    this.#begun[slot] = (this.#begun[slot] ?? 0) + 1;
    this.#allBegun += 1;
  }

  /** That attempt has ended. */
  callEnded(nowMs: number): void {
    const slot = this.#advance(nowMs);
    this.#inFlight -= 1;
    this.#ended[slot] = (this.#ended[slot] ?? 0) + 1;
    this.#allEnded += 1;
  }

  /**
   * Draws one retry. False: the budget is spent and the call gets its real status. `isBroken`: the attempt was not
   * answered, its stream or connection broke off.
   */
  tryRetry(nowMs: number, isBroken: boolean = false): boolean {
    const slot = this.#advance(nowMs);
    if (this.retries + this.#allForced + 1 > this.#allowed(isBroken)) {
      this.refused += 1;
      return false;
    }
    this.#draw(slot);
    return true;
  }

  /** Share of what is allowed now that was not drawn, in [0, 1]; 1 while there are no calls. */
  left(nowMs: number): number {
    this.#advance(nowMs);
    const allowed = this.#allowed(false);
    return allowed > 0 ? Math.max(0, 1 - (this.retries + this.#allForced) / allowed) : this.calls > 0 ? 0 : 1;
  }

  /**
   * Draws a retry that is made in any case, even when the budget is spent. It takes the place of one that others may
   * draw, and so does the next of its kind: else a spent budget would be exceeded by as many.
   */
  takeRetry(nowMs: number): void {
    const slot = this.#advance(nowMs);
    this.#draw(slot);
    this.#forced[slot] = (this.#forced[slot] ?? 0) + 1;
    this.#allForced += 1;
  }

  /** A retry that was drawn reached no server: it cost nothing. */
  giveBack(nowMs: number): void {
    const newest = this.#advance(nowMs);
    // From the newest bucket that has one: the draw itself is rarely older than a second.
    for (let age = 0; age < BUCKETS; age += 1) {
      const slot = (newest + BUCKETS - age) % BUCKETS;
      const drawn = this.#retries[slot] ?? 0;
      if (drawn === 0) continue;
      this.#retries[slot] = drawn - 1;
      this.retries -= 1;
      return;
    }
  }

  /** The larger of the two, not their sum: otherwise a service that fails altogether would get both. */
  #allowed(isBroken: boolean): number {
    const floor = BUCKETS * this.#minPerSecond * (isBroken ? BROKEN_FACTOR : 1);
    return Math.max((this.calls * this.#percent) / 100, floor);
  }

  #draw(slot: number): void {
    this.#retries[slot] = (this.#retries[slot] ?? 0) + 1;
    this.retries += 1;
  }

  /** Drops what is older than the window and returns the bucket of this second. */
  #advance(nowMs: number): number {
    const second = Math.floor(nowMs / BUCKET_MS);
    if (second > this.#second) {
      const first = Math.max(this.#second + 1, second - BUCKETS + 1);
      for (let next = first; next <= second; next += 1) this.#clear(next % BUCKETS);
      this.#second = second;
    }
    return this.#second % BUCKETS;
  }

  #clear(slot: number): void {
    this.#allBegun -= this.#begun[slot] ?? 0;
    this.#begun[slot] = 0;
    this.#allEnded -= this.#ended[slot] ?? 0;
    this.#ended[slot] = 0;
    this.retries -= this.#retries[slot] ?? 0;
    this.#allForced -= this.#forced[slot] ?? 0;
    this.#retries[slot] = 0;
    this.#forced[slot] = 0;
  }
}
