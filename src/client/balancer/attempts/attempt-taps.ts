import type { Outcome } from '../../breaker/outcome';

/** Counts attempts by subset, for whoever compares one subset with another in this client. */
export interface AttemptTap {
  /**
   * An attempt that started has ended. `wanted` is the subset that its call was decided for, `served` the one it went to.
   * `latencyMs` is the time to the first response, or to the end where none came. Called synchronously; must neither throw
   * nor allocate much.
   */
  attemptEnded(wanted: string, served: string, outcome: Outcome, latencyMs: number): void;
}

/** The taps of one service; none of them most of the time, which costs one comparison an attempt. */
export class AttemptTaps {
  #taps: readonly AttemptTap[] = [];

  get isEmpty(): boolean {
    return this.#taps.length === 0;
  }

  /** Returns the way to stop. */
  add(tap: AttemptTap): () => void {
    // A list is never changed: a tap may stop while it hears of an attempt.
    this.#taps = [...this.#taps, tap];
    return () => {
      this.#taps = this.#taps.filter((other) => other !== tap);
    };
  }

  attemptEnded(wanted: string, served: string, outcome: Outcome, latencyMs: number): void {
    for (const tap of this.#taps) tap.attemptEnded(wanted, served, outcome, latencyMs);
  }
}
