/** Failures in a row. A success may be taken back: what came before it counts again. */
export class FailureStreak {
  inARow = 0;
  /** Successes since the last failure, and how many failures in a row came before them. */
  #successes = 0;
  #before = 0;

  failed(): void {
    this.inARow += 1;
  }

  succeeded(): void {
    if (this.inARow > 0) {
      this.#before = this.inARow;
      this.inARow = 0;
      this.#successes = 0;
    }
    this.#successes += 1;
  }

  successTakenBack(): void {
    this.#successes -= 1;
    if (this.#successes === 0) this.inARow = this.#before;
  }

  failureTakenBack(): void {
    if (this.inARow > 0) this.inARow -= 1;
  }

  clear(): void {
    this.inARow = 0;
  }
}
