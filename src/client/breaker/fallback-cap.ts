/** So many calls may go to the fallback at once before the share is kept to. */
const BURST = 10;

/** Keeps what a subset sends to its fallback to a share of its calls. Counts calls, not time: it needs no clock. */
export class FallbackCap {
  readonly percentage: number;
  #allowance = BURST;

  constructor(percentage: number) {
    this.percentage = percentage;
  }

  /** A call for the subset begins. */
  called(): void {
    this.#allowance = Math.min(BURST, this.#allowance + this.percentage / 100);
  }

  /** May one more of its calls go to the fallback? */
  take(): boolean {
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }
}
