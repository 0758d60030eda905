import { MethodShares } from '../../breaker/outlier/failure-shares';

/** Calls that take so long, in milliseconds, may well wait rather than work. */
export const LONG_MS = 300;
/** Methods remembered; a service has some dozens, and what makes names up must not fill the memory. The rest share one. */
const MOST_METHODS = 1_000;
/**
 * How long the mean remembers. By time and not by answers: an endpoint that turns slow answers many calls within moments, and
 * would else make its own time the usual one.
 */
const MEAN_TAU_MS = 30_000;
/** Weight of one answer at most, once there are many. */
const MOST_WEIGHT = 1 / 16;
/** One answer counts for so many times the mean at most: an outlier must not become what is usual. */
const MOST_AT_ONCE = 10;
/** So many answers, and the mean says something. */
const ENOUGH = 20;
const LIMIT_FACTOR = 10;
const LIMIT_FLOOR_MS = 100;

/**
 * How long one method usually takes, over all endpoints of its service: the mean of its good answers, or of how long its
 * streams lasted. What an endpoint is
 * blamed for, and what silence is measured against, are multiples of it.
 */
export class MethodTime {
  /** Milliseconds; 0 without an answer. */
  usualMs: number;
  /** Good answers so far. */
  answers = 0;
  #answeredAtMs = 0;
  /** Which share of its calls fails, over all endpoints. */
  readonly shares: MethodShares = new MethodShares();
  /**
   * A call of it brought a second message: it is a stream, though nobody has shown its definition. Set by attempts of
   * calls of unknown kind.
   */
  isStream = false;

  /** `usualMs`: for simulations that know it. */
  constructor(usualMs = 0) {
    this.usualMs = usualMs;
  }

  /** A good answer came after `elapsedMs`. */
  answered(elapsedMs: number, nowMs: number): void {
    const sinceMs = nowMs - this.#answeredAtMs;
    this.#answeredAtMs = nowMs;
    this.answers += 1;
    if (this.answers === 1) {
      this.usualMs = elapsedMs;
      return;
    }
    const counted = Math.min(elapsedMs, Math.max(MOST_AT_ONCE * this.usualMs, 1));
    this.usualMs += (counted - this.usualMs) * Math.max(1 / this.answers, Math.min(sinceMs / MEAN_TAU_MS, MOST_WEIGHT));
  }

  /** It usually takes 300 ms or more. */
  get isLong(): boolean {
    return this.usualMs >= LONG_MS;
  }

  /** Enough answers are known to say what is usual. */
  get isKnown(): boolean {
    return this.answers >= ENOUGH;
  }

  /** How long an attempt may take: ten times the mean, at least 100 ms. Undefined while too few answers are known. */
  get attemptLimitMs(): number | undefined {
    return this.isKnown ? Math.max(LIMIT_FLOOR_MS, LIMIT_FACTOR * this.usualMs) : undefined;
  }
}

/** A method's time as `inspect()` shows it. */
export interface MethodTimeView {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** Mean time of its good answers in milliseconds, over all endpoints; of a stream's, from its start to its end. */
  readonly usualMs: number;
  /** Good answers so far. */
  readonly answers: number;
}

/** How long the methods of one service usually take, over all its endpoints. */
export class MethodTimes {
  readonly #times = new Map<string, MethodTime>();
  readonly #rest = new MethodTime();

  /** Called when an attempt starts, which keeps it to its end. */
  of(method: string): MethodTime {
    let time = this.#times.get(method);
    if (time === undefined) {
      if (this.#times.size >= MOST_METHODS) return this.#rest;
      time = new MethodTime();
      this.#times.set(method, time);
    }
    return time;
  }

  /** Those that were answered most often, at most `limit`. */
  views(limit: number): MethodTimeView[] {
    return [...this.#times]
      .filter(([, { answers }]) => answers > 0)
      .sort(([, a], [, b]) => b.answers - a.answers)
      .slice(0, limit)
      .map(([method, { usualMs, answers }]) => ({ method, usualMs, answers }));
  }
}
