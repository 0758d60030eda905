/** Methods remembered; a service has some dozens, and what makes names up must not fill the memory. The rest has no time. */
const MOST_METHODS = 1_000;
/** Weight of a new answer in the mean. */
const ALPHA = 1 / 16;
/** So many answers, and the mean says something. */
const ENOUGH = 20;
const LIMIT_FACTOR = 10;
const LIMIT_FLOOR_MS = 100;

interface MethodTime {
  meanMs: number;
  answers: number;
}

/** How long the methods of one service usually take, over all its endpoints: what `attemptTimeoutMs: auto` goes by. */
export class MethodTimes {
  readonly #times = new Map<string, MethodTime>();

  /** A good answer came after `elapsedMs`. */
  answered(method: string, elapsedMs: number): void {
    const time = this.#times.get(method);
    if (time === undefined) {
      if (this.#times.size < MOST_METHODS) this.#times.set(method, { meanMs: elapsedMs, answers: 1 });
      return;
    }
    time.answers += 1;
    time.meanMs += (elapsedMs - time.meanMs) * Math.max(ALPHA, 1 / time.answers);
  }

  /** How long an attempt may take: ten times the mean, at least 100 ms. Undefined while too few answers are known. */
  attemptLimitMs(method: string): number | undefined {
    const time = this.#times.get(method);
    if (time === undefined || time.answers < ENOUGH) return undefined;
    return Math.max(LIMIT_FLOOR_MS, LIMIT_FACTOR * time.meanMs);
  }
}
