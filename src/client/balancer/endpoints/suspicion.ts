/** A suspect gets a call that can be tried again after so long, where no health check can speak for it... */
const LOOK_AFTER_MS = 500;
/** ...and any call with a single response after so long. */
const LOOK_ANYHOW_MS = 1_000;

/**
 * How a suspect endpoint is looked at again: by a health check, which needs no caller, or by one call a second. Belongs
 * to the endpoint's load. Times are monotonic milliseconds.
 */
export class Suspicion {
  /** A health check cannot speak for it. Set by the health checks. */
  needsCall = false;
  /**
   * A health check has cleared it, and nothing else has come back since: a handler may hang in a healthy server. If it
   * becomes suspect again, the next word is a call's.
   */
  isVouchSpent = false;
  #lookedAtMs = 0;

  /** It became suspect. */
  began(nowMs: number): void {
    this.needsCall = false;
    this.#lookedAtMs = nowMs;
  }

  /** Is a call due that finds out? Asked in a pick; `nowMs` may lag by a tick. */
  isDue(nowMs: number, mayRetry: boolean): boolean {
    return this.needsCall && nowMs - this.#lookedAtMs >= (mayRetry ? LOOK_AFTER_MS : LOOK_ANYHOW_MS);
  }

  /**
   * A pick has chosen it for such a call. Should that never start, the next one comes as soon as after one that did.
   */
  offered(nowMs: number): void {
    this.#lookedAtMs = nowMs;
  }
}
