/** A gap between two ticks (of 100 ms each) beyond which the loop was stalled; the endpoints' load uses the same. */
const STALL_MS = 300;
const TICK_MS = 100;
/** A tick that comes later than this is late: the loop is busy, if not stalled. */
const LATE_MS = 25;
/**
 * So many ticks on time in a row, and the loop has caught up: calls that waited for it come in a burst, and keep it
 * busy.
 */
const CALM_TICKS = 3;
/** An attempt that took less than so many times the lateness may owe its end to it. */
const LATE_FACTOR = 4;

/**
 * Tells whether our own event loop was stalled. Then deadlines and latencies say nothing of the endpoints: timers run
 * before sockets are read, so answered calls end as deadlines. Fed by the shared tick.
 */
export class StallDetector {
  readonly #setImmediate: (callback: () => void) => unknown;
  /** Infinity while the tick rests: nothing can be late then. */
  #tickedAtMs = Number.POSITIVE_INFINITY;
  /**
   * What ends after this is not believed: a tick is overdue, or the turn after a late one is not over. Read at each end
   * of an attempt.
   */
  trustedUntilMs: number = Number.POSITIVE_INFINITY;
  #isRecovering = false;
  /** When the loop was last seen busy, and the most that a tick was late since it began to be. */
  #busyUntilMs = Number.NEGATIVE_INFINITY;
  #lateMs = 0;
  #ticksOnTime = CALM_TICKS;
  /** The latest stall; the end of an older one must not end it. */
  #stalls = 0;

  /** `runImmediate` runs its argument once, after the poll phase of the event loop, in which sockets are read. */
  constructor(runImmediate: (callback: () => void) => unknown = setImmediate) {
    this.#setImmediate = runImmediate;
  }

  /** An attempt starts, so the tick runs from now on. Without effect while it runs already. */
  wake(nowMs: number): void {
    if (this.#tickedAtMs === Number.POSITIVE_INFINITY) this.#ticked(nowMs);
  }

  /** Called from the shared 100 ms tick. A late one is distrusted until the sockets were read. */
  tick(nowMs: number): void {
    const lateMs = nowMs - this.#tickedAtMs - TICK_MS;
    if (lateMs > STALL_MS - TICK_MS) this.#recover();
    this.#ticked(nowMs);
    if (lateMs > LATE_MS) {
      this.#lateMs = this.#ticksOnTime >= CALM_TICKS ? lateMs : Math.max(lateMs, this.#lateMs);
      this.#ticksOnTime = 0;
    } else if (this.#ticksOnTime < CALM_TICKS) this.#ticksOnTime += 1;
    else return;
    this.#busyUntilMs = nowMs;
  }

  /** The tick stopped, as nothing is in flight. */
  rest(): void {
    this.#ticked(Number.POSITIVE_INFINITY);
  }

  /** True from the moment a tick is overdue to the end of the turn after it ran. */
  isStalled(nowMs: number): boolean {
    return nowMs > this.trustedUntilMs;
  }

  /**
   * Asked when an attempt ends at a deadline: was the loop so busy since the attempt began that it may have ended for
   * that? A deadline of 50 ms passes in a loop whose turns take 60, which is no stall.
   */
  isTooBusyFor(startedAtMs: number, nowMs: number): boolean {
    const overdueMs = nowMs - this.#tickedAtMs - TICK_MS;
    const isBusy = this.#ticksOnTime < CALM_TICKS || startedAtMs <= this.#busyUntilMs;
    const lateMs = Math.max(isBusy ? this.#lateMs : 0, overdueMs > LATE_MS ? overdueMs : 0);
    return nowMs - startedAtMs < LATE_FACTOR * lateMs;
  }

  #ticked(atMs: number): void {
    this.#tickedAtMs = atMs;
    this.trustedUntilMs = this.#isRecovering ? Number.NEGATIVE_INFINITY : atMs + STALL_MS;
  }

  /**
   * The first immediate runs after this turn's sockets were read, the second after those of the turn that follows, by
   * which time what they caused has ended too.
   */
  #recover(): void {
    this.#isRecovering = true;
    this.#stalls += 1;
    const stall = this.#stalls;
    this.#setImmediate(() => {
      this.#setImmediate(() => {
        if (stall !== this.#stalls) return;
        this.#isRecovering = false;
        this.#ticked(this.#tickedAtMs);
      });
    });
  }
}
