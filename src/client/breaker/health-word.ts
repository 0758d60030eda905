/** How long a passed check speaks for a half-open endpoint that no call has come to yet. */
const VOUCH_MS = 10_000;

/** How a health check of our own ended. `unknown`: it says nothing, as where the server has no health service. */
export type CheckVerdict = 'passed' | 'failed' | 'unknown';

/**
 * What the health check of one endpoint says: nothing, that a check is out, or that the last one passed. One check at a
 * time. Times are monotonic milliseconds; tickets are positive and never repeat.
 */
export class HealthWord {
  #issued = 0;
  #isOut = false;
  #passedAtMs: number | undefined;

  get isOut(): boolean {
    return this.#isOut;
  }

  /** The last check passed, and nothing has called that into question since. */
  get hasPassed(): boolean {
    return this.#passedAtMs !== undefined;
  }

  /** The same, and lately. */
  isFresh(nowMs: number): boolean {
    return this.#passedAtMs !== undefined && nowMs < this.#passedAtMs + VOUCH_MS;
  }

  begin(): number {
    this.#issued += 1;
    this.#isOut = true;
    this.#passedAtMs = undefined;
    return this.#issued;
  }

  /** False: the check belongs to the past, and its verdict counts for nothing. */
  end(ticket: number): boolean {
    if (!this.#isOut || ticket !== this.#issued) return false;
    this.#isOut = false;
    return true;
  }

  passed(nowMs: number): void {
    this.#passedAtMs = nowMs;
  }

  /** An attempt finds out more than the check did. One that is out goes on. */
  withdraw(): void {
    this.#passedAtMs = undefined;
  }

  /** The breaker changed its state: what was said, and the check that is out, belong to the past. */
  reset(): void {
    this.#isOut = false;
    this.#passedAtMs = undefined;
  }
}
