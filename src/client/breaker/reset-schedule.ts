import type { Clock, Timer } from '../../base/clock';
import type { Random } from '../../base/random';

/** Share of a delay that chance may take away, so that the breakers of many clients do not probe at the same moment. */
const JITTER = 0.2;

export interface ResetBounds {
  readonly resetTimeoutMs: number;
  readonly maxResetTimeoutMs: number;
}

/**
 * When an open breaker lets its first probe through: one timer while it is open, later after each probe that failed.
 */
export class ResetSchedule {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onDue: (openForMs: number) => void;
  #timer: Timer | undefined;
  #failedProbes = 0;
  #openedAtMs = 0;
  #probeAtMs = 0;

  /** `onDue` is called once for each opening that is not cancelled, with the time that the breaker was open. */
  constructor(clock: Clock, random: Random, onDue: (openForMs: number) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#onDue = onDue;
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
    this.#onDue(this.#clock.now() - this.#openedAtMs);
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
    this.#timer = this.#clock.setTimer(Math.max(0, atMs - this.#clock.now()), () => this.hasten());
  }
}

/**
 * How long a breaker stays open. Doubles with each probe that failed since it was last closed. Jitter only shortens: a
 * cured endpoint is never probed later than the policy says.
 */
export function resetDelayMs(failedProbes: number, bounds: ResetBounds, random: Random): number {
  return longestResetDelayMs(failedProbes, bounds) * (1 - JITTER * random());
}

function longestResetDelayMs(failedProbes: number, bounds: ResetBounds): number {
  return Math.min(bounds.resetTimeoutMs * 2 ** failedProbes, bounds.maxResetTimeoutMs);
}
