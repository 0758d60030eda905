/** How long a passed check counts for a half-open endpoint that has had no call since. */
const VOUCH_MS = 10_000;

/** How a health check of our own ended. `unknown`: it says nothing, as where the server has no health service. */
export type CheckVerdict = 'passed' | 'failed' | 'unknown';

/**
 * The health check of one endpoint: none, one that runs, or one that has passed. One check at a time. Times are
 * monotonic milliseconds; tickets are positive and never repeat.
 */
export class HealthCheckState {
  #issued = 0;
  #isRunning = false;
  #passedAtMs: number | undefined;

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** The last check passed, and no attempt has said otherwise since. */
  get hasPassed(): boolean {
    return this.#passedAtMs !== undefined;
  }

  /** The same, and lately. */
  isFresh(nowMs: number): boolean {
    return this.#passedAtMs !== undefined && nowMs < this.#passedAtMs + VOUCH_MS;
  }

  begin(): number {
    this.#issued += 1;
    this.#isRunning = true;
    this.#passedAtMs = undefined;
    return this.#issued;
  }

  /** False: the check is an old one, and its verdict counts for nothing. */
  end(ticket: number): boolean {
    if (!this.#isRunning || ticket !== this.#issued) return false;
    this.#isRunning = false;
    return true;
  }

  passed(nowMs: number): void {
    this.#passedAtMs = nowMs;
  }

  /** Forgets a check that passed, since an attempt says more. A check that runs goes on. */
  withdraw(): void {
    this.#passedAtMs = undefined;
  }

  /** The breaker changed its state: forgets the last check, and the one that runs. */
  reset(): void {
    this.#isRunning = false;
    this.#passedAtMs = undefined;
  }
}
