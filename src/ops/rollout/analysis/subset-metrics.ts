import { isRecord } from '../../../base/is-record';
import type { Counts } from '../../../base/sequential-test';
import { showValue } from '../../../base/shorten';
import { ownValue } from '../../../policy/plain-data';
import type { ValueCheck } from '../document';

/**
 * Measures one window of an analysis. Never called twice at a time. Rejects when there are no metrics (unreachable,
 * refused, unreadable). It must end within its own timeout, and at once when the request's `signal` aborts. Its errors
 * hold no secrets.
 */
export type MeasureCalls = (request: MeasureRequest) => Promise<Measurement>;

export interface MeasureRequest {
  readonly service: string;
  readonly canary: string;
  readonly stable: string;
  /** The window is (sinceMs, nowMs], wall clock, milliseconds since 1970. */
  readonly sinceMs: number;
  readonly nowMs: number;
  /** Value checks to answer in {@link Measurement.values}; others need not be asked. Default: none. */
  readonly checks?: readonly ValueCheck[];
  readonly signal?: AbortSignal;
}

/** Metrics of one window, counted from its start: the next measurement of the window includes these calls. */
export interface Measurement {
  /** Undefined when the provider has only {@link values}. */
  readonly canary?: SubsetMetrics;
  readonly stable?: SubsetMetrics;
  /** Of `value` checks, by their names. */
  readonly values?: Readonly<Record<string, MeasuredValue>>;
}

export interface SubsetMetrics {
  /** Attempts that ended. Whole, >= 0. */
  readonly calls: number;
  /** Those that failed, <= calls. */
  readonly failures: number;
  /** Undefined: unknown. */
  readonly durations?: DurationHistogram;
  /** Clients that hold the breaker of this subset open now, in any datacenter. Undefined: unknown. */
  readonly openBreakers?: number;
  /** Attempts meant for this subset that went to its fallback, not among `calls`. Undefined: unknown. */
  readonly fallbacks?: number;
  /** Calls whose answer was compared with that of a copy to this subset. Undefined: unknown. */
  readonly compared?: number;
  /** Those of them that differ in a field that does not differ by itself. */
  readonly differing?: number;
  /** Attempts that ended and said nothing of the subset, not among `calls`. Undefined: unknown. */
  readonly neutral?: number;
}

export interface DurationHistogram {
  /** Upper bounds in milliseconds, rising, finite. */
  readonly boundsMs: readonly number[];
  /** Calls in each bucket, not cumulative: one more than bounds, the last for those beyond all. */
  readonly counts: readonly number[];
}

export function callsOf(histogram: DurationHistogram): number {
  return histogram.counts.reduce((sum, count) => sum + count, 0);
}

/**
 * The quantile (0..1) in milliseconds, interpolated inside its bucket as Prometheus does it. Infinite beyond all
 * bounds, NaN without calls.
 */
export function quantileMs({ boundsMs, counts }: DurationHistogram, quantile: number): number {
  const total = callsOf({ boundsMs, counts });
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
 * The number of calls slower than `ms`. Calls of the bucket around `ms` are divided as {@link quantileMs} does it, so
 * that the two agree. The result is not whole, which the test of shares allows: each call counts for 0 to 1.
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

/** The values that the conditions of a `value` check may name, or why there are none. */
export type MeasuredValue =
  | { readonly result?: number; readonly canary?: number; readonly stable?: number }
  | { readonly error: string };

/** Why there is no measurement. */
export interface FailedMeasurement {
  readonly error: string;
  /** Figures lack calls that fell into a gap; from here on they are whole, wall clock. */
  readonly wholeFromMs?: number;
}

/** Why there are no metrics, without secrets. */
export class MeasureError extends Error {
  override readonly name: string = 'MeasureError';
}

/** Throws a {@link MeasureError} with the path of what does not fit. */
export function refuse(path: string, value: unknown, expected: string): never {
  throw new MeasureError(`${path}: ${showValue(value)} (expected: ${expected})`);
}

export function readCount(value: unknown, path: string, most: number = Number.MAX_SAFE_INTEGER): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most
    ? value
    : refuse(path, value, 'a whole number >= 0');
}

/** The calls and failures of one subset, as a webhook, a program or a client sends them, beside its other figures. */
export function readCalls(
  holder: unknown,
  name: 'canary' | 'stable',
  most?: number,
): { readonly calls: number; readonly failures: number; readonly figures: Readonly<Record<string, unknown>> } {
  const figures = ownValue(holder, name);
  if (!isRecord(figures)) return refuse(name, figures, 'an object with calls and failures');
  const calls = readCount(ownValue(figures, 'calls'), `${name}.calls`, most);
  const failures = readCount(ownValue(figures, 'failures'), `${name}.failures`, most);
  if (failures > calls) refuse(`${name}.failures`, failures, `at most ${name}.calls`);
  return { calls, failures, figures };
}
