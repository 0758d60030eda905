import type { Clock, Timer } from '../../base/clock';
import type { Random } from '../../base/random';
import { longestResetDelayMs, type ResetBounds, resetDelayMs } from './reset-delay';

/** When an open breaker lets its first probe through: one timer while it is open, later after each probe that failed. */
export class ResetSchedule {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #due: (openForMs: number) => void;
  #timer: Timer | undefined;
  #failedProbes = 0;
  #openedAtMs = 0;
  #probeAtMs = 0;

  /** `due` is called once for each opening, unless it is cancelled, with the time that the breaker was open. */
  constructor(clock: Clock, random: Random, due: (openForMs: number) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#due = due;
  }

  /** `isReopened`: because a probe failed, so that it stays open for longer than the last time. */
  opened(nowMs: number, isReopened: boolean, bounds: ResetBounds): void {
    this.#failedProbes = isReopened ? this.#failedProbes + 1 : 0;
    this.#openedAtMs = nowMs;
    this.#at(nowMs + resetDelayMs(this.#failedProbes, bounds, this.#random));
  }

  /** Takes new bounds while it is open: it never waits longer than they say. */
  configure(bounds: ResetBounds): void {
    const latestMs = this.#openedAtMs + longestResetDelayMs(this.#failedProbes, bounds);
    if (latestMs < this.#probeAtMs) this.#at(latestMs);
  }

  /** The first probe, or the next, is due now. Without effect where none is. */
  hasten(): void {
    if (this.#timer === undefined) return;
    this.cancel();
    this.#due(this.#clock.now() - this.#openedAtMs);
  }

  dueInMs(nowMs: number): number {
    return Math.max(0, this.#probeAtMs - nowMs);
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #at(atMs: number): void {
    this.cancel();
    this.#probeAtMs = atMs;
    this.#timer = this.#clock.setTimer(Math.max(0, atMs - this.#clock.now()), () => {
      this.#timer = undefined;
      this.#due(this.#clock.now() - this.#openedAtMs);
    });
  }
}
