import type { Counts } from '../../../base/sequential-test';
import type { AnalysisSettings } from './settings';
import type { Measurement, SubsetMetrics } from './subset-metrics';

/** The result of one measurement. `undecided`: too few calls, or too near the limit. `error`: no metrics. */
export type Verdict = 'pass' | 'fail' | 'undecided' | 'error';

/** One check of one measurement, as history entries, notifications and the terminal show it. Plain JSON. */
export interface CheckResult {
  /** `request-success-rate`, `request-duration p99`, `breaker-open`, or the name of a value check. */
  readonly check: string;
  readonly verdict: Verdict;
  /**
   * One sentence with figures: `canary failed 12 of 240 (5.00 %), stable 3 of 4,560 (0.07 %); allowed 1 point more`.
   */
  readonly message: string;
  readonly figures?: CheckMetrics;
}

/** Shares are 0..1; milliseconds. */
export interface CheckMetrics {
  readonly canary?: number;
  readonly stable?: number;
  /** The limit for the canary's value. */
  readonly limit?: number;
  readonly canaryCalls?: number;
  readonly stableCalls?: number;
  /** How many times likelier the figures are if the canary is too bad; it fails above {@link alarmAt}. */
  readonly evidence?: number;
  readonly alarmAt?: number;
  readonly result?: number;
}

/**
 * All checks of one measurement. `fail` if any fails, else `error` if any errs, else `undecided` if any is, else
 * `pass`.
 */
export interface AnalysisResult {
  readonly atMs: number;
  readonly verdict: Verdict;
  readonly checks: readonly CheckResult[];
}

export function joinVerdicts(verdicts: readonly Verdict[]): Verdict {
  return (['fail', 'error', 'undecided'] as const).find((verdict) => verdicts.includes(verdict)) ?? 'pass';
}

/** What a limit of a `request-duration` check remembers from one measurement of a window to the next; plain JSON. */
export interface SlowCalls {
  /** Calls that take longer are slow, milliseconds. Fixed once stable has calls enough. */
  readonly limitMs: number;
  /** The canary's calls up to the last measurement, and how many of them were slow. */
  readonly seen: Counts;
  /** What the measurement that was worst for the canary had added to them. */
  readonly worst: Counts;
}

/** The input of a check, besides its own settings. */
export interface CheckContext {
  readonly name: string;
  readonly settings: AnalysisSettings;
  readonly measurement: Measurement;
  /** Undefined where the provider knows nothing of calls. */
  readonly canary: SubsetMetrics | undefined;
  /** Of this window; of an earlier one where all calls go to the canary. */
  readonly stable: SubsetMetrics | undefined;
  /** False alarms that this one check may raise in this window. */
  readonly falseAlarmRate: number;
  /** Measurements of this check that failed so far in this window. */
  readonly failures: number;
  /** Of duration checks that were measured in this window, by the names of their limits. */
  readonly slowCalls: Readonly<Record<string, SlowCalls>>;
}

/** A verdict, and the state for the next measurement. */
export interface Judged extends Omit<CheckResult, 'check'> {
  readonly failures?: number;
  readonly slowCalls?: Readonly<Record<string, SlowCalls>>;
}

/** Evidence and its limit, which are logarithms, as figures. */
export function likelihoods(evidence: number, alarmAt: number): Pick<CheckMetrics, 'evidence' | 'alarmAt'> {
  return { evidence: Math.exp(Math.min(evidence, 700)), alarmAt: Math.exp(alarmAt) };
}

/** Counts a failed measurement in the window; it passes up to the limit. */
export function countFailure(
  context: CheckContext,
  failureLimit: number,
  message: string,
  figures: CheckMetrics,
): Judged {
  const failures = context.failures + 1;
  if (failures > failureLimit) return { verdict: 'fail', message, figures, failures };
  return { verdict: 'pass', message: `${message} (failure ${failures} of ${failureLimit} allowed)`, figures, failures };
}

/** Which side has too few calls for any verdict; undefined: neither. */
export function describeLack(canaryCalls: number, stableCalls: number, minimum: number): string | undefined {
  const [side, calls] = canaryCalls < minimum ? ['canary', canaryCalls] : ['stable', stableCalls];
  if (calls >= minimum) return undefined;
  return `too few calls: ${side} ${formatCount(calls)} of at least ${formatCount(minimum)}`;
}

const COUNT: Intl.NumberFormat = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `4,560` */
export function formatCount(count: number): string {
  return COUNT.format(count);
}

/** `5.00 %` */
export function formatPercent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

/** `1.25 ms`, `130 ms` */
export function formatMs(ms: number): string {
  if (!Number.isFinite(ms)) return 'beyond all buckets';
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`;
}
