import type { ValueCheck } from '../document';

/**
 * The source of an analysis' metrics. The controller calls it when `wantedMeasurement()` says so, never twice at a
 * time. Rejects when there are no metrics (unreachable, refused, unreadable); the controller then gives `advance()` a
 * {@link FailedMeasurement}. It must end within its own timeout, and at once when `signal` aborts. Its errors hold no
 * secrets.
 */
export interface MetricsProvider {
  measure(request: MeasureRequest): Promise<Measurement>;
}

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
  /** Attempts that ended and said nothing of the subset, not among `calls`. Undefined: unknown. */
  readonly neutral?: number;
}

export interface DurationHistogram {
  /** Upper bounds in milliseconds, rising, finite. */
  readonly boundsMs: readonly number[];
  /** Calls in each bucket, not cumulative: one more than bounds, the last for those beyond all. */
  readonly counts: readonly number[];
}

/** The values that the conditions of a `value` check may name, or why there are none. */
export type MeasuredValue =
  | { readonly result?: number; readonly canary?: number; readonly stable?: number }
  | { readonly error: string };

/** Why there is no measurement. */
export interface FailedMeasurement {
  readonly error: string;
}
