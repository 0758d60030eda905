import type { Clock, Timer } from '../../../base/clock';

interface Due {
  readonly atMs: number;
  readonly call: () => void;
  isCancelled: boolean;
}

/** A clock that goes from one thing that is due to the next, so that minutes pass in no time. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  /** By time; of equal times the earlier added first. */
  readonly #due: Due[] = [];

  now(): number {
    return this.#nowMs;
  }

  wallNow(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const due: Due = { atMs: this.#nowMs + Math.max(0, delayMs), call: callback, isCancelled: false };
    let at = this.#due.length;
    while (at > 0 && (this.#due[at - 1]?.atMs ?? 0) > due.atMs) at -= 1;
    this.#due.splice(at, 0, due);
    return {
      cancel() {
        due.isCancelled = true;
      },
    };
  }

  setRepeating(intervalMs: number, callback: () => void): Timer {
    let isCancelled = false;
    const next = (): void => {
      if (isCancelled) return;
      callback();
      this.setTimer(intervalMs, next);
    };
    this.setTimer(intervalMs, next);
    return {
      cancel() {
        isCancelled = true;
      },
    };
  }

  /** Runs everything that is due up to then. */
  runUntil(endMs: number): void {
    for (let next = this.#due[0]; next !== undefined && next.atMs <= endMs; next = this.#due[0]) {
      this.#due.shift();
      this.#nowMs = next.atMs;
      if (!next.isCancelled) next.call();
    }
    this.#nowMs = endMs;
  }
}
