const EVERY = 256;

/** Times one in 256 runs of something that is too short to be timed each time. */
export class Sampler {
  readonly #record: (milliseconds: number) => void;
  #left = EVERY;

  constructor(record: (milliseconds: number) => void) {
    this.#record = record;
  }

  /** True: time this run and hand the time to `took()`. */
  isDue(): boolean {
    this.#left -= 1;
    if (this.#left > 0) return false;
    this.#left = EVERY;
    return true;
  }

  took(milliseconds: number): void {
    this.#record(milliseconds);
  }
}
