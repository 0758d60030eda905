/**
 * What one measurement says. `undecided`: too few calls, or too near the limit to tell. `error`: no figures.
 */
export type Verdict = 'pass' | 'fail' | 'undecided' | 'error';

/** One check of one measurement, as history entries, notifications and the terminal show it. Plain JSON. */
export interface CheckResult {
  /** `request-success-rate`, `request-duration p99`, `breaker-open`, or the name of a value check. */
  readonly check: string;
  readonly verdict: Verdict;
  /** One sentence with figures: `canary failed 12 of 240 (5.00 %), stable 3 of 4,560 (0.07 %); allowed 1 point more`. */
  readonly message: string;
  readonly figures?: CheckFigures;
}

/** Shares are 0..1; milliseconds. */
export interface CheckFigures {
  readonly canary?: number;
  readonly stable?: number;
  /** What canary was held against. */
  readonly limit?: number;
  readonly canaryCalls?: number;
  readonly stableCalls?: number;
  /** How many times likelier the figures are if the canary is too bad; it fails above {@link alarmAt}. */
  readonly evidence?: number;
  readonly alarmAt?: number;
  readonly result?: number;
}

/** All checks of one measurement. `fail` if any fails, else `error` if any errs, else `undecided` if any is, else `pass`. */
export interface AnalysisResult {
  readonly atMs: number;
  readonly verdict: Verdict;
  readonly checks: readonly CheckResult[];
}

export function joinVerdicts(verdicts: readonly Verdict[]): Verdict {
  return (['fail', 'error', 'undecided'] as const).find((verdict) => verdicts.includes(verdict)) ?? 'pass';
}
