import type { Counts } from '../../../base/sequential-test';
import type { DurationHistogram } from './metrics-provider';

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

/**
 * Calls slower than `ms`, those of its own bucket shared out as {@link quantileMs} does it, so that the two agree; beyond all bounds
 * the last bound is what can be told. Not whole, which a test of shares bears: each call counts for 0 to 1.
 */
export function slowerThan(histogram: DurationHistogram, ms: number): Counts {
  const { boundsMs, counts } = histogram;
  let bad = 0;
  for (const [index, count] of counts.entries()) {
    const lower = boundsMs[index - 1] ?? 0;
    const upper = boundsMs[index];
    if (upper === undefined || lower >= ms) bad += count;
    else if (upper > ms) bad += (count * (upper - ms)) / (upper - lower);
  }
  return { calls: callsOf(histogram), bad };
}
