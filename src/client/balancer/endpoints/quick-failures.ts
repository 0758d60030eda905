/** What has faded to this counts no more. */
const LEAST = 0.2;

/**
 * Failures that came sooner than a good answer would have. Each goes on counting like an attempt in flight for as long as a
 * good answer takes: else what fails at once has nothing in flight, and every picker that compares attempts in flight
 * would send it more. Fades with the usual time as its time constant, so that no timer is needed.
 */
export class QuickFailures {
  /** How many attempts they count for, as of the last call of a method. */
  count = 0;
  #sum = 0;
  #usualMs = 1;
  #atMs = 0;

  /** @param usualMs What a good answer takes, in milliseconds. */
  failed(elapsedMs: number, usualMs: number, nowMs: number): void {
    if (elapsedMs >= usualMs) return;
    this.fade(nowMs);
    this.#usualMs = usualMs;
    this.#atMs = nowMs;
    this.#sum += 1 - elapsedMs / usualMs;
    this.count = Math.ceil(this.#sum - LEAST);
  }

  forget(): void {
    this.#sum = 0;
    this.count = 0;
  }

  fade(nowMs: number): void {
    if (this.#sum === 0) return;
    this.#sum *= Math.exp((this.#atMs - nowMs) / this.#usualMs);
    this.#atMs = nowMs;
    if (this.#sum <= LEAST) this.#sum = 0;
    this.count = this.#sum === 0 ? 0 : Math.ceil(this.#sum - LEAST);
  }
}
