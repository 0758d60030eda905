import { LatencyHistogram } from './latency-histogram';

const BUCKETS = 10;

/**
 * What one subset did within the last window: a ring of buckets that whoever counts or looks turns by the time that has
 * passed, so that no timer is needed. Times are monotonic milliseconds. Counting allocates nothing.
 */
export class RollingCounts {
  readonly #calls = new Float64Array(BUCKETS);
  readonly #failures = new Float64Array(BUCKETS);
  #latencies: LatencyHistogram | undefined;
  #bucketMs: number;
  #current = 0;
  #turnAtMs: number;
  /** Attempts that succeeded or failed. */
  calls = 0;
  failures = 0;

  constructor(windowMs: number, nowMs: number) {
    this.#bucketMs = windowMs / BUCKETS;
    this.#turnAtMs = nowMs + this.#bucketMs;
  }

  /** Those of attempts that went well; undefined: not asked for. */
  get latencies(): LatencyHistogram | undefined {
    return this.#latencies;
  }

  succeeded(nowMs: number, latencyMs: number): void {
    this.turn(nowMs);
    this.calls += 1;
    this.#calls[this.#current] = (this.#calls[this.#current] ?? 0) + 1;
    this.#latencies?.add(this.#current, latencyMs);
  }

  failed(nowMs: number): void {
    this.turn(nowMs);
    this.calls += 1;
    this.failures += 1;
    this.#calls[this.#current] = (this.#calls[this.#current] ?? 0) + 1;
    this.#failures[this.#current] = (this.#failures[this.#current] ?? 0) + 1;
  }

  /** Lets go of what has left the window by `nowMs`. */
  turn(nowMs: number): void {
    if (nowMs < this.#turnAtMs) return;
    const steps = 1 + Math.floor((nowMs - this.#turnAtMs) / this.#bucketMs);
    this.#turnAtMs += steps * this.#bucketMs;
    for (let step = 0; step < Math.min(steps, BUCKETS); step += 1) {
      this.#current = (this.#current + 1) % BUCKETS;
      this.#drop(this.#current);
    }
  }

  clear(): void {
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) this.#drop(bucket);
  }

  /** What was counted stays; a longer window fills up from now on. */
  configure(windowMs: number, withLatencies: boolean, nowMs: number): void {
    this.turn(nowMs);
    if (!withLatencies) this.#latencies = undefined;
    else this.#latencies ??= new LatencyHistogram(BUCKETS);
    const bucketMs = windowMs / BUCKETS;
    if (bucketMs === this.#bucketMs) return;
    this.#bucketMs = bucketMs;
    this.#turnAtMs = nowMs + bucketMs;
  }

  #drop(bucket: number): void {
    this.calls -= this.#calls[bucket] ?? 0;
    this.failures -= this.#failures[bucket] ?? 0;
    this.#calls[bucket] = 0;
    this.#failures[bucket] = 0;
    this.#latencies?.drop(bucket);
  }
}
