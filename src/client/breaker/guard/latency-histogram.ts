/** Bins of a quarter of a power of two each: a median is told to within a fifth, better where a bin is filled evenly. */
const BINS_PER_OCTAVE = 4;
const LEAST_MS = 0.125;
/** Up to two minutes; what is slower counts as that. */
const BINS = 20 * BINS_PER_OCTAVE;

/** Latencies of the last so many buckets of time, in bins whose width grows with them. Adding allocates nothing. */
export class LatencyHistogram {
  readonly #buckets: readonly Uint32Array[];
  readonly #sum = new Uint32Array(BINS);
  #count = 0;

  constructor(buckets: number) {
    this.#buckets = Array.from({ length: buckets }, () => new Uint32Array(BINS));
  }

  get count(): number {
    return this.#count;
  }

  add(bucket: number, ms: number): void {
    const bin = binOf(ms);
    const counts = this.#buckets[bucket] as Uint32Array;
    counts[bin] = (counts[bin] ?? 0) + 1;
    this.#sum[bin] = (this.#sum[bin] ?? 0) + 1;
    this.#count += 1;
  }

  /** Forgets what was added in this bucket of time. */
  drop(bucket: number): void {
    const counts = this.#buckets[bucket] as Uint32Array;
    for (let bin = 0; bin < BINS; bin += 1) {
      const count = counts[bin] ?? 0;
      this.#sum[bin] = (this.#sum[bin] ?? 0) - count;
      this.#count -= count;
    }
    counts.fill(0);
  }

  /** NaN while it is empty. */
  medianMs(): number {
    let before = 0;
    for (const [bin, count] of this.#sum.entries()) {
      if (count > 0 && before + count >= this.#count / 2) {
        return lowerMs(bin) + (widthMs(bin) * (this.#count / 2 - before)) / count;
      }
      before += count;
    }
    return Number.NaN;
  }

  /** How many took longer. Not whole: those of the bin that `ms` is in are shared out evenly. */
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
