const SECONDS = 10;
/** The second of now and the ten before it: with fewer, some ten seconds would hold more than their share. */
const BUCKETS = SECONDS + 1;
const BUCKET_MS = 1000;
/** What each bucket counts: calls that began and that ended, retries, and of these the ones that `takeRetry` drew. */
const BEGUN = 0;
const ENDED = 1;
const RETRIES = 2;
const FORCED = 3;
const SERIES = 4;
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
  /** Retries that `tryRetry` has refused so far. */
  refused = 0;
  #percent = 0;
  #minPerSecond = 0;
  #inFlight = 0;
  /** Seconds since the clock's zero of the newest bucket. */
  #second = Number.NEGATIVE_INFINITY;
  /** What was counted in each second of the window, and in all of them. */
  readonly #buckets = new Float64Array(BUCKETS * SERIES);
  readonly #sums = new Float64Array(SERIES);

  constructor(rules: RetryBudgetRules) {
    this.configure(rules);
  }

  /** Takes new rules without forgetting what was counted. */
  configure(rules: RetryBudgetRules): void {
    this.#percent = rules.percent;
    this.#minPerSecond = rules.minPerSecond;
  }

  /** Retries of the last ten seconds, and of the part of a second before them that the window has. */
  get retries(): number {
    return this.#sums[RETRIES] as number;
  }

  /**
   * The largest of three: the calls that began within the last ten seconds, those that ended within them, and those
   * under way now. So calls that take long count too, and no call counts twice.
   */
  get calls(): number {
    return Math.max(this.#sums[BEGUN] as number, this.#sums[ENDED] as number, this.#inFlight);
  }

  /** A call's first attempt begins; until then the call has cost no server anything. */
  callStarted(nowMs: number): void {
    this.#inFlight += 1;
    this.#add(BEGUN, 1, this.#advance(nowMs));
  }

  /** That attempt has ended. */
  callEnded(nowMs: number): void {
    this.#inFlight -= 1;
    this.#add(ENDED, 1, this.#advance(nowMs));
  }

  /**
   * Draws one retry. False: the budget is spent and the call gets its real status. `isBroken`: the attempt was not
   * answered, its stream or connection broke off.
   */
  tryRetry(nowMs: number, isBroken: boolean = false): boolean {
    const slot = this.#advance(nowMs);
    if (this.#drawn + 1 > this.#allowed(isBroken)) {
      this.refused += 1;
      return false;
    }
    this.#add(RETRIES, 1, slot);
    return true;
  }

  /** Share of what is allowed now that was not drawn, in [0, 1]; 1 while there are no calls. */
  left(nowMs: number): number {
    this.#advance(nowMs);
    const allowed = this.#allowed(false);
    return allowed > 0 ? Math.max(0, 1 - this.#drawn / allowed) : this.calls > 0 ? 0 : 1;
  }

  /**
   * Draws a retry that is made in any case, even when the budget is spent. It takes the place of one that others may
   * draw, and so does the next of its kind: else a spent budget would be exceeded by as many.
   */
  takeRetry(nowMs: number): void {
    const slot = this.#advance(nowMs);
    this.#add(RETRIES, 1, slot);
    this.#add(FORCED, 1, slot);
  }

  /** A retry that was drawn reached no server: it cost nothing. */
  giveBack(nowMs: number): void {
    const newest = this.#advance(nowMs);
    // From the newest bucket that has one: the draw itself is rarely older than a second.
    for (let age = 0; age < BUCKETS; age += 1) {
      const slot = (newest + BUCKETS - age) % BUCKETS;
      if (this.#buckets[slot * SERIES + RETRIES] === 0) continue;
      this.#add(RETRIES, -1, slot);
      return;
    }
  }

  /** The larger of the two, not their sum: otherwise a service that fails altogether would get both. */
  #allowed(isBroken: boolean): number {
    const floor = SECONDS * this.#minPerSecond * (isBroken ? BROKEN_FACTOR : 1);
    return Math.max((this.calls * this.#percent) / 100, floor);
  }

  /** Those that are made in any case count twice. */
  get #drawn(): number {
    return this.retries + (this.#sums[FORCED] as number);
  }

  #add(series: number, amount: number, slot: number): void {
    const at = slot * SERIES + series;
    this.#buckets[at] = (this.#buckets[at] as number) + amount;
    this.#sums[series] = (this.#sums[series] as number) + amount;
  }

  /** Drops what is older than the window and returns the bucket of this second. */
  #advance(nowMs: number): number {
    const second = Math.floor(nowMs / BUCKET_MS);
    if (second > this.#second) {
      const first = Math.max(this.#second + 1, second - BUCKETS + 1, 0);
      for (let next = first; next <= second; next += 1) {
        const slot = next % BUCKETS;
        for (let series = 0; series < SERIES; series += 1) {
          this.#add(series, -(this.#buckets[slot * SERIES + series] as number), slot);
        }
      }
      this.#second = second;
    }
    return this.#second % BUCKETS;
  }
}
