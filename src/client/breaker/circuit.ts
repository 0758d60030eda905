import type { EventEmitter } from 'node:events';
import CircuitBreaker from 'opossum';
import { captureRejections } from '../../base/emitter';
import type { SubsetBreakerPlan } from '../../policy/plan';

/**
 * What this library uses of opossum, and nothing else. Its published types miss parts of it, and describe accessors as
 * fields, which cannot be overridden.
 */
export interface OpossumBreaker extends EventEmitter {
  get name(): string;
  get closed(): boolean;
  get opened(): boolean;
  get halfOpen(): boolean;
  get pendingClose(): boolean;
  /** False after `disable()`. */
  get enabled(): boolean;
  readonly status: OpossumStatus;
  readonly options: Record<string, unknown>;
  /** `open()` and `close()` tell their listeners, and do nothing when there is nothing to change. */
  open(): void;
  close(): void;
  enable(): void;
  disable(): void;
  /** Removes every listener, for good. */
  shutdown(): void;
}

interface OpossumStatus extends EventEmitter {
  /** Totals of the window; summed at each reading. */
  readonly stats: OpossumBucket;
  /** The live buckets, newest first, in an array made for this reading. */
  readonly window: readonly OpossumBucket[];
  /** Drops the oldest bucket and begins a new one. */
  rotateBucket(): void;
}

interface OpossumBucket {
  fires: number;
  successes: number;
  failures: number;
  latencyTimes: number[];
}

const OpossumBreaker: new (action: () => Promise<void>, options: Record<string, unknown>) => OpossumBreaker =
  CircuitBreaker as never;

/** Buckets of the rolling window. */
const BUCKETS = 10;

/**
 * Called at each change of state before any listener is, from `open()` and `close()` rather than from events: the owner
 * of a subset's opossum object may remove listeners.
 */
export interface CircuitObserver {
  /** `because`: what was handed to `open()`; undefined when the owner of the opossum object opened it. */
  onOpen(because: string | undefined): void;
  onHalfOpen(): void;
  onClose(): void;
  /** A listener on the opossum object threw. */
  onListenerError(error: unknown): void;
}

export interface Tally {
  readonly successes: number;
  readonly failures: number;
}

/** The arguments of a call, as opossum hands them to listeners. */
const NO_ARGUMENTS: readonly unknown[] = Object.freeze([]);

/** opossum keeps the latency of every call even when percentiles are off. This array keeps nothing. */
class DroppedLatencies extends Array<number> {
  override push(): number {
    return 0;
  }
}
const DROPPED: number[] = Object.freeze(new DroppedLatencies()) as number[];

/** Keeps opossum from starting an interval, or listening to an emitter: `rotate()` rotates the windows. */
const NO_CONTROLLER = Object.freeze({ listenerCount: () => 0, on() {}, removeListener() {} });

/**
 * One opossum circuit breaker, used for its states, events and rolling statistics. No call goes through it. What this
 * class changes, and why, is in docs/decisions/0006: `probe()` makes it half-open instead of a timer of opossum's own,
 * and calls that still run are not counted.
 */
export class Circuit extends OpossumBreaker {
  readonly #observer: CircuitObserver;
  #isHalfOpen = false;
  /** Listeners are told of a success that does not close the circuit yet. */
  #staysHalfOpen = false;
  #bucketMs: number;
  #rotateAtMs: number;
  #newest: OpossumBucket | undefined;
  /** opossum's own, which count. */
  readonly #ownListeners: Readonly<Record<'fire' | 'success' | 'failure', number>>;

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
    this.#ownListeners = {
      fire: this.listenerCount('fire'),
      success: this.listenerCount('success'),
      failure: this.listenerCount('failure'),
    };
    dropResetTimer(this);
    for (const emitter of [this, this.status]) captureRejections(emitter, (error) => observer.onListenerError(error));
    for (const bucket of this.status.window) bucket.latencyTimes = DROPPED;
    this.#newest = this.status.window[0];
  }

  override get halfOpen(): boolean {
    // opossum's success handler asks this, and closes the circuit if it is true.
    return this.#isHalfOpen && !this.#staysHalfOpen;
  }

  override get opened(): boolean {
    return super.opened && !this.#isHalfOpen;
  }

  override get pendingClose(): boolean {
    return this.#isHalfOpen;
  }

  override open(because?: string): void {
    if (this.opened) return;
    const isReopened = this.#isHalfOpen;
    this.#isHalfOpen = false;
    this.#observer.onOpen(because);
    // To opossum a half-open circuit of ours never left `open`.
    this.#safely(() => (isReopened ? this.emit('open') : super.open()));
  }

  override close(): void {
    if (this.closed) return;
    this.#isHalfOpen = false;
    // Else what was counted before it opened would open it again at the next failure.
    this.clear();
    this.#observer.onClose();
    this.#safely(() => super.close());
  }

  /** Open turns half-open. `openForMs` is what opossum tells its listeners. */
  probe(openForMs: number): void {
    if (!this.opened) return;
    this.#isHalfOpen = true;
    this.#observer.onHalfOpen();
    this.#tell('halfOpen', openForMs);
  }

  /** `closes`: when half-open, this success is the one that closes it. */
  countSuccess(latencyMs: number, nowMs: number, closes: boolean): void {
    this.rotate(nowMs);
    if (this.#isWatched('success')) {
      this.#staysHalfOpen = !closes;
      this.#tell('fire', NO_ARGUMENTS);
      this.#tell('success', undefined, latencyMs);
      this.#staysHalfOpen = false;
    } else this.#count('successes');
    // opossum's own listener may have closed it.
    if (closes && this.#isHalfOpen) this.close();
  }

  /** Counts only: whether it opens is for the caller to say. */
  countFailure(reason: string, latencyMs: number, nowMs: number): void {
    this.rotate(nowMs);
    if (this.#isWatched('failure')) {
      this.#tell('fire', NO_ARGUMENTS);
      this.#tell('failure', new Error(reason), latencyMs, NO_ARGUMENTS);
    } else this.#count('failures');
  }

  /** So many successes came before there was a circuit, evenly over the time of its window. */
  beginWith(successes: number): void {
    const { window } = this.status;
    for (const [index, bucket] of window.entries()) {
      const share = Math.floor((successes + index) / window.length);
      bucket.fires += share;
      bucket.successes += share;
    }
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

  /** Emits what opossum's own timer would emit at each interval, which dashboards read. */
  tellSnapshot(): void {
    const { status } = this;
    if (status.listenerCount('snapshot') > 0) this.#safely(() => status.emit('snapshot', status.stats));
  }

  clear(): void {
    for (let step = 0; step < BUCKETS; step += 1) this.#turn();
  }

  /** New rules for the same window; what was counted stays. `isSwitched`: the rules turn the breaker on or off. */
  configure(rules: SubsetBreakerPlan, isSwitched: boolean, nowMs: number): void {
    this.rotate(nowMs);
    if (isSwitched && rules.enabled) this.enable();
    else if (isSwitched) this.disable();
    this.options['resetTimeout'] = rules.resetTimeoutMs;
    this.options['errorThresholdPercentage'] = rules.errorThresholdPercentage;
    this.options['rollingCountTimeout'] = rules.rollingCountTimeoutMs;
    const bucketMs = rules.rollingCountTimeoutMs / BUCKETS;
    if (bucketMs === this.#bucketMs) return;
    this.#bucketMs = bucketMs;
    this.#rotateAtMs = nowMs + bucketMs;
  }

  /** Are the listeners others than opossum's own counters? Emitting costs several times what counting does. */
  #isWatched(outcome: 'success' | 'failure'): boolean {
    const own = this.#ownListeners;
    return this.listenerCount(outcome) !== own[outcome] || this.listenerCount('fire') !== own.fire;
  }

  /** What opossum's own listeners do. */
  #count(outcome: 'successes' | 'failures'): void {
    const bucket = this.#newest;
    if (bucket === undefined) return;
    bucket.fires += 1;
    bucket[outcome] += 1;
  }

  #tell(event: string, ...args: readonly unknown[]): void {
    this.#safely(() => this.emit(event, ...args));
  }

  /** A listener that throws must not break the call. */
  #safely(tell: () => unknown): void {
    try {
      tell();
    } catch (error) {
      this.#observer.onListenerError(error);
    }
  }

  #turn(): void {
    const { status } = this;
    status.rotateBucket();
    this.#newest = status.window[0];
    if (this.#newest !== undefined) this.#newest.latencyTimes = DROPPED;
  }
}

/** opossum's last listener on `open` starts a reset timer that knows nothing of our clock, and that nothing clears. */
function dropResetTimer(circuit: Circuit): void {
  const startTimer = circuit.listeners('open').at(-1);
  if (startTimer !== undefined) circuit.removeListener('open', startTimer as () => void);
}
