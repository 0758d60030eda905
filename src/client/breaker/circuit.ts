import { captureRejections } from '../../base/emitter';
import type { SubsetBreakerPlan } from '../../policy/plan';
import { OpossumBreaker } from './opossum';

/** Buckets of the rolling window. */
const BUCKETS = 10;

/**
 * Told of each change of state before anybody else is, from `open()` and `close()` rather than from events: the holder of a subset's opossum
 * object may remove listeners.
 */
export interface CircuitObserver {
  opened(): void;
  halfOpened(): void;
  closed(): void;
  /** A listener on the opossum object threw. */
  listenerFailed(error: unknown): void;
}

export interface Tally {
  readonly successes: number;
  readonly failures: number;
}

/** opossum's own success and failure handlers take these; nobody looks inside. */
const NO_ARGUMENTS: readonly unknown[] = Object.freeze([]);

/** opossum keeps the latency of every call even when percentiles are off; here they go nowhere. */
class DroppedLatencies extends Array<number> {
  override push(): number {
    return 0;
  }
}
const DROPPED: number[] = Object.freeze(new DroppedLatencies()) as number[];

/** Stands where opossum would attach itself to an emitter, or start an interval: windows are rotated by `rotate()`. */
const NO_CONTROLLER = Object.freeze({ listenerCount: () => 0, on() {}, removeListener() {} });

/**
 * One opossum circuit breaker, used for its states, events and rolling statistics. What this class changes, and why, is in
 * docs/decisions/0006: half-open comes when `probe()` is called instead of by a timer of opossum's own, nothing is counted for
 * calls that are still running, and no call goes through it.
 */
export class Circuit extends OpossumBreaker {
  readonly #observer: CircuitObserver;
  #isHalfOpen = false;
  /** A success is being told that does not close the circuit yet. */
  #isHeld = false;
  #bucketMs: number;
  #rotateAtMs: number;
  readonly #ownFailureListeners: number;

  constructor(name: string, group: string, rules: SubsetBreakerPlan, observer: CircuitObserver, nowMs: number) {
    // A fresh object each: opossum keeps and changes what it is given.
    super(() => Promise.resolve(), {
      name,
      group,
      timeout: false,
      enabled: rules.enabled,
      resetTimeout: rules.resetTimeoutMs,
      errorThresholdPercentage: rules.errorThresholdPercentage,
      volumeThreshold: rules.volumeThreshold,
      rollingCountTimeout: rules.rollingCountTimeoutMs,
      rollingCountBuckets: BUCKETS,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      rotateBucketController: NO_CONTROLLER,
    });
    this.#observer = observer;
    this.#bucketMs = rules.rollingCountTimeoutMs / BUCKETS;
    this.#rotateAtMs = nowMs + this.#bucketMs;
    this.#ownFailureListeners = this.listenerCount('failure');
    dropResetTimer(this);
    for (const emitter of [this, this.status]) captureRejections(emitter, (error) => observer.listenerFailed(error));
    for (const bucket of this.status.window) bucket.latencyTimes = DROPPED;
  }

  override get halfOpen(): boolean {
    // Held: opossum's success handler asks this before it closes.
    return this.#isHalfOpen && !this.#isHeld;
  }

  override get opened(): boolean {
    return super.opened && !this.#isHalfOpen;
  }

  override get pendingClose(): boolean {
    return this.#isHalfOpen;
  }

  override open(): void {
    if (this.opened) return;
    const isReopened = this.#isHalfOpen;
    this.#isHalfOpen = false;
    this.#observer.opened();
    // To opossum a half-open circuit of ours never left `open`.
    try {
      if (isReopened) this.emit('open');
      else super.open();
    } catch (error) {
      this.#observer.listenerFailed(error);
    }
  }

  override close(): void {
    if (this.closed) return;
    this.#isHalfOpen = false;
    // Else what was counted before it opened would open it again at the next failure.
    this.clear();
    this.#observer.closed();
    try {
      super.close();
    } catch (error) {
      this.#observer.listenerFailed(error);
    }
  }

  /** Open turns half-open. `openForMs` is what opossum tells its listeners. */
  probe(openForMs: number): void {
    if (!this.opened) return;
    this.#isHalfOpen = true;
    this.#observer.halfOpened();
    this.#tell('halfOpen', openForMs);
  }

  /** `closes`: when half-open, this success is the one that closes it. */
  countSuccess(latencyMs: number, nowMs: number, closes: boolean): void {
    this.rotate(nowMs);
    this.#isHeld = !closes;
    this.#tell('fire', NO_ARGUMENTS);
    this.#tell('success', undefined, latencyMs);
    this.#isHeld = false;
    // opossum's own listener has closed it, unless somebody took its listeners away.
    if (closes && this.#isHalfOpen) this.close();
  }

  /** Counts only: whether it opens is for the caller to say. */
  countFailure(reason: string, latencyMs: number, nowMs: number): void {
    this.rotate(nowMs);
    this.#tell('fire', NO_ARGUMENTS);
    // An Error costs microseconds for its stack; opossum's own listener does not look at it.
    const isHeard = this.listenerCount('failure') > this.#ownFailureListeners;
    this.#tell('failure', isHeard ? new Error(reason) : undefined, latencyMs, NO_ARGUMENTS);
  }

  /** Takes one out of the window again, from where the newest lies; without effect when the window holds none. */
  takeBack(what: 'successes' | 'failures', nowMs: number): void {
    this.rotate(nowMs);
    for (const bucket of this.status.window) {
      if (bucket[what] === 0) continue;
      bucket[what] -= 1;
      bucket.fires -= 1;
      return;
    }
  }

  /** What the window holds, as of the last rotation. */
  tally(): Tally {
    let successes = 0;
    let failures = 0;
    for (const bucket of this.status.window) {
      successes += bucket.successes;
      failures += bucket.failures;
    }
    return { successes, failures };
  }

  /** Drops the buckets that have left the window by `nowMs`. */
  rotate(nowMs: number): void {
    if (nowMs < this.#rotateAtMs) return;
    const steps = 1 + Math.floor((nowMs - this.#rotateAtMs) / this.#bucketMs);
    this.#rotateAtMs += steps * this.#bucketMs;
    for (let step = 0; step < Math.min(steps, BUCKETS); step += 1) this.#turn();
  }

  /** What opossum's own timer would tell each interval: dashboards live on it. */
  tellSnapshot(): void {
    const { status } = this;
    if (status.listenerCount('snapshot') === 0) return;
    try {
      status.emit('snapshot', status.stats);
    } catch (error) {
      this.#observer.listenerFailed(error);
    }
  }

  clear(): void {
    for (let step = 0; step < BUCKETS; step += 1) this.#turn();
  }

  /** New numbers for the same window; what was counted stays. */
  configure(rules: SubsetBreakerPlan, nowMs: number): void {
    this.rotate(nowMs);
    this.options['resetTimeout'] = rules.resetTimeoutMs;
    this.options['errorThresholdPercentage'] = rules.errorThresholdPercentage;
    this.options['rollingCountTimeout'] = rules.rollingCountTimeoutMs;
    const bucketMs = rules.rollingCountTimeoutMs / BUCKETS;
    if (bucketMs === this.#bucketMs) return;
    this.#bucketMs = bucketMs;
    this.#rotateAtMs = nowMs + bucketMs;
  }

  /** A listener is worth less than the call that it would break. */
  #tell(event: string, first: unknown, second?: unknown, third?: unknown): void {
    try {
      this.emit(event, first, second, third);
    } catch (error) {
      this.#observer.listenerFailed(error);
    }
  }

  #turn(): void {
    const { status } = this;
    status.rotateBucket();
    const newest = status.window[0];
    if (newest !== undefined) newest.latencyTimes = DROPPED;
  }
}

/** opossum's last listener on `open` starts its own reset timer, which knows nothing of our clock, and is not cleared by the next. */
function dropResetTimer(circuit: Circuit): void {
  const startTimer = circuit.listeners('open').at(-1);
  if (startTimer !== undefined) circuit.removeListener('open', startTimer as () => void);
}
