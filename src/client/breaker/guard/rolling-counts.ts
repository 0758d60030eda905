const BUCKETS = 10;
/**
 * Bins of a quarter of a power of two each: a median is right to within a fifth, better where a bin is filled evenly.
 */
const BINS_PER_OCTAVE = 4;
const LEAST_MS = 0.125;
/** Up to two minutes; what is slower counts as that. */
const BINS = 20 * BINS_PER_OCTAVE;

/**
 * The attempts at one subset within the last window: a ring of buckets. Counting and reading turn it by the time that
 * has passed, so no timer is needed. Times are monotonic milliseconds. Counting allocates nothing.
 */
export class RollingCounts {
  readonly #calls = new Float64Array(BUCKETS);
  readonly #failures = new Float64Array(BUCKETS);
  /** Of successes; undefined: the guard does not compare latencies. */
  latencies: LatencyHistogram | undefined;
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

  succeeded(nowMs: number, latencyMs: number): void {
    this.#count(nowMs, 0);
    this.latencies?.add(this.#current, latencyMs);
  }

  failed(nowMs: number): void {
    this.#count(nowMs, 1);
  }

  #count(nowMs: number, failures: number): void {
    this.turn(nowMs);
    this.calls += 1;
    this.failures += failures;
    this.#calls[this.#current] = (this.#calls[this.#current] ?? 0) + 1;
    this.#failures[this.#current] = (this.#failures[this.#current] ?? 0) + failures;
  }

  /** Drops what has left the window by `nowMs`. */
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
    if (!withLatencies) this.latencies = undefined;
    else this.latencies ??= new LatencyHistogram(BUCKETS);
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
    this.latencies?.drop(bucket);
  }
}

/**
 * Latencies of the last `buckets` buckets of time, in bins whose width grows with the latency. Adding allocates
 * nothing.
 */
export class LatencyHistogram {
  readonly #buckets: readonly Uint32Array[];
  readonly #sum = new Uint32Array(BINS);
  count = 0;

  constructor(buckets: number) {
    this.#buckets = Array.from({ length: buckets }, () => new Uint32Array(BINS));
  }

  add(bucket: number, ms: number): void {
    const bin = binOf(ms);
    const counts = this.#buckets[bucket] as Uint32Array;
    counts[bin] = (counts[bin] ?? 0) + 1;
    this.#sum[bin] = (this.#sum[bin] ?? 0) + 1;
    this.count += 1;
  }

  /** Forgets what was added to this bucket of time. */
  drop(bucket: number): void {
    const counts = this.#buckets[bucket] as Uint32Array;
    for (let bin = 0; bin < BINS; bin += 1) {
      const count = counts[bin] ?? 0;
      this.#sum[bin] = (this.#sum[bin] ?? 0) - count;
      this.count -= count;
    }
    counts.fill(0);
  }

  /** NaN while it is empty. */
  medianMs(): number {
    let before = 0;
    for (const [bin, count] of this.#sum.entries()) {
      if (count > 0 && before + count >= this.count / 2) {
        return lowerMs(bin) + (widthMs(bin) * (this.count / 2 - before)) / count;
      }
      before += count;
    }
    return Number.NaN;
  }

  /** How many took longer. Not a whole number: the bin that `ms` is in counts in proportion. */
  slowerThan(ms: number): number {
    const own = binOf(ms);
    let slower = 0;
    for (let bin = own + 1; bin < BINS; bin += 1) slower += this.#sum[bin] ?? 0;
    const share = 1 - Math.min(1, (ms - lowerMs(own)) / widthMs(own));
    return slower + share * (this.#sum[own] ?? 0);
  }
}

function binOf(ms: number): number {
  const bin = 1 + Math.floor(BINS_PER_OCTAVE * Math.log2(ms / LEAST_MS));
  return bin > 0 ? Math.min(bin, BINS - 1) : 0;
}

/** The first bin holds everything below the least. */
function lowerMs(bin: number): number {
  return bin === 0 ? 0 : LEAST_MS * 2 ** ((bin - 1) / BINS_PER_OCTAVE);
}

function widthMs(bin: number): number {
  return lowerMs(bin + 1) - lowerMs(bin);
}
