/** A running timer; `cancel` may be called any number of times. */
export interface Timer {
  /** It does not run any more. Idempotent. */
  cancel(): void;
}

/**
 * Time as the rooms see it, handed in by the composition root so that tests can move it. Library timers never keep a
 * process alive.
 */
export interface Clock {
  /** Monotonic milliseconds, with fractions. The only time that durations and breakers may use. */
  now(): number;
  /** Wall-clock milliseconds since the epoch: only for what people wrote down as a date. */
  wallNow(): number;
  /** Runs `callback` once, `delayMs` from now, unless cancelled. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Runs `callback` every `intervalMs` until cancelled. */
  setRepeating(intervalMs: number, callback: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimer(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  setRepeating(intervalMs, callback) {
    const handle = setInterval(callback, intervalMs);
    handle.unref();
    return { cancel: () => clearInterval(handle) };
  },
};
