/** A verifying attempt whose end nobody hears of keeps the next one waiting no longer than this, or than an answer may take. */
const LEASE_MS = 5_000;

/**
 * The silence of one endpoint: how many attempts in a row ended with nothing received, and whether somebody is finding out
 * just now if it still lasts. Times are monotonic milliseconds.
 */
export class Silence {
  inARow = 0;
  #verifyingUntilMs = Number.NEGATIVE_INFINITY;

  /** May another attempt verify it? */
  isDue(nowMs: number): boolean {
    return nowMs >= this.#verifyingUntilMs;
  }

  /** `patienceMs`: how long the answer may well take. */
  verifying(nowMs: number, patienceMs = 0): void {
    this.#verifyingUntilMs = nowMs + Math.max(LEASE_MS, patienceMs);
  }

  /** Whoever verified is done, or told nothing. */
  released(): void {
    this.#verifyingUntilMs = Number.NEGATIVE_INFINITY;
  }

  broken(): void {
    this.inARow = 0;
    this.released();
  }
}
