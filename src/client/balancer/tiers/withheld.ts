/**
 * What comes back does so after a pause, and then at this part of the whole a second, so that a tier or a zone that
 * flaps does not swing calls to and fro.
 */
const RETURN_PAUSE_MS = 1_000;
const RETURN_PER_SECOND = 0.1;

/**
 * How much of a zone's capacity, or of a tier's calls, is not counted on. Follows what is unhealthy upwards at once, and
 * downwards gradually. What leaves for good is no longer withheld.
 */
export class Withheld {
  #target = 0;
  /** Withheld at `#fallingFromMs`, while on its way down. */
  #base = 0;
  #fallingFromMs = Number.NEGATIVE_INFINITY;
  #total = 0;

  /** `bad` of `total` weight is not well. Times are monotonic milliseconds. */
  update(bad: number, total: number, nowMs: number): void {
    const left = Math.max(0, this.#total - total);
    const before = this.at(nowMs);
    const withheld = Math.max(0, before - left);
    const isGone = withheld < before;
    this.#total = total;
    if (bad === this.#target && !isGone) return;
    this.#target = bad;
    if (bad >= withheld) {
      this.#base = bad;
      this.#fallingFromMs = Number.NEGATIVE_INFINITY;
    } else if (this.#fallingFromMs === Number.NEGATIVE_INFINITY || withheld !== this.#base) {
      this.#base = withheld;
      this.#fallingFromMs = nowMs + RETURN_PAUSE_MS;
    }
  }

  /** Still on its way down. */
  get isFalling(): boolean {
    return this.#base > this.#target;
  }

  at(nowMs: number): number {
    if (this.#base <= this.#target) return this.#target;
    const fallenForMs = Math.max(0, nowMs - this.#fallingFromMs);
    const withheld = this.#base - (fallenForMs / 1_000) * RETURN_PER_SECOND * this.#total;
    if (withheld > this.#target) return withheld;
    this.#base = this.#target;
    return this.#target;
  }
}
