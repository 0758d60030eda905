import type { Clock, Timer } from '../../base/clock';

interface Pending {
  dueAtMs: number;
  readonly everyMs: number | undefined;
  readonly callback: () => void;
}

/**
 * A clock that stands still until `advance()`. Timers run in the order of their times; equal times in order of
 * creation.
 */
export class FakeClock implements Clock {
  #nowMs = 0;
  readonly #epochMs: number;
  readonly #pending = new Set<Pending>();

  /** `startsAt`: the wall clock's first reading, epoch milliseconds. */
  constructor(startsAt: number = Date.UTC(2026, 0, 1)) {
    this.#epochMs = startsAt;
  }

  /** Milliseconds since it was made. */
  now(): number {
    return this.#nowMs;
  }

  /** Epoch milliseconds. */
  wallNow(): number {
    return this.#epochMs + this.#nowMs;
  }

  /** Runs `callback` once, when `advance()` has gone so far. */
  setTimer(delayMs: number, callback: () => void): Timer {
    return this.#add({ dueAtMs: this.#nowMs + Math.max(0, delayMs), everyMs: undefined, callback });
  }

  /** Runs `callback` each time that `advance()` has gone so far again. */
  setRepeating(intervalMs: number, callback: () => void): Timer {
    return this.#add({ dueAtMs: this.#nowMs + intervalMs, everyMs: intervalMs, callback });
  }

  /** Timers that have not run. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Moves time forward and runs what falls due on the way. */
  advance(milliseconds: number): void {
    const end = this.#nowMs + milliseconds;
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#nowMs = next.dueAtMs;
      if (next.everyMs === undefined) this.#pending.delete(next);
      else next.dueAtMs += next.everyMs;
      next.callback();
    }
    this.#nowMs = end;
  }

  #add(pending: Pending): Timer {
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }

  #next(endMs: number): Pending | undefined {
    let first: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.dueAtMs <= endMs && (first === undefined || pending.dueAtMs < first.dueAtMs)) first = pending;
    }
    return first;
  }
}
