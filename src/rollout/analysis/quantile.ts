import type { DurationHistogram } from './metrics-provider';
import type { Counts } from './sequential-test';

export function callsOf(histogram: DurationHistogram): number {
  return histogram.counts.reduce((sum, count) => sum + count, 0);
}

/**
 * The quantile (0..1) in milliseconds, interpolated inside its bucket as Prometheus does it; infinite in the bucket beyond all
 * bounds, NaN without calls.
 */
export function quantileMs({ boundsMs, counts }: DurationHistogram, quantile: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return Number.NaN;
  let before = 0;
  for (const [index, count] of counts.entries()) {
    const upper = boundsMs[index];
    if (upper === undefined) break;
    if (count > 0 && before + count >= quantile * total) {
      const lower = boundsMs[index - 1] ?? 0;
      return lower + ((upper - lower) * (quantile * total - before)) / count;
    }
    before += count;
  }
  return Number.POSITIVE_INFINITY;
}

/** The first bound at or above `ms`, since nothing is known between bounds; the last where all are below. */
export function boundFor({ boundsMs }: DurationHistogram, ms: number): number {
  return boundsMs.find((bound) => bound >= ms) ?? boundsMs.at(-1) ?? Number.POSITIVE_INFINITY;
}

/** Calls slower than a bound of the histogram; of another value, those of buckets wholly above it. */
export function slowerThan(histogram: DurationHistogram, boundMs: number): Counts {
  let bad = 0;
  for (const [index, count] of histogram.counts.entries()) {
    const lower = index === 0 ? 0 : (histogram.boundsMs[index - 1] ?? 0);
    if (lower >= boundMs) bad += count;
  }
  return { calls: callsOf(histogram), bad };
}
