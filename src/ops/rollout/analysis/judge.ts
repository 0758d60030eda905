import type { CheckDocument } from '../document';
import type { AnalysisWindow } from '../progress';
import { judgeBreaker } from './checks/breaker-open';
import { judgeDuration } from './checks/request-duration';
import { judgeSuccessRate } from './checks/request-success-rate';
import { judgeValue } from './checks/value';
import type { FailedMeasurement, Measurement, SubsetFigures } from './metrics-provider';
import { type AnalysisSettings, chanceChecks, nameOfCheck } from './settings';
import type { SlowCalls } from './slow-calls';
import { type AnalysisResult, type CheckResult, joinVerdicts } from './verdict';

/** What a check judges by, beside its own words. */
export interface CheckContext {
  readonly name: string;
  readonly settings: AnalysisSettings;
  readonly measurement: Measurement;
  /** Undefined where the provider knows nothing of calls. */
  readonly canary: SubsetFigures | undefined;
  /** Of this window; of an earlier one where all calls go to the canary. */
  readonly stable: SubsetFigures | undefined;
  /** False alarms that this one check may raise in this window. */
  readonly falseAlarmRate: number;
  /** Measurements of this check that failed so far in this window. */
  readonly failures: number;
  /** Of a duration check, once it has been measured in this window. */
  readonly slowCalls: SlowCalls | undefined;
}

/** A verdict, and what of it has to be remembered for the next. */
export interface Judged extends Omit<CheckResult, 'check'> {
  readonly failures?: number;
  readonly slowCalls?: SlowCalls;
}

export interface JudgedMeasurement {
  readonly result: AnalysisResult;
  readonly failures: Readonly<Record<string, number>>;
  readonly slowCalls: Readonly<Record<string, SlowCalls>>;
}

/**
 * Holds one measurement against every check. `baseline` stands in for stable where it has no calls any more. Pure; the window is
 * what earlier measurements left.
 */
export function judge(
  settings: AnalysisSettings,
  measurement: Measurement | FailedMeasurement,
  window: AnalysisWindow,
  baseline: SubsetFigures | undefined,
  nowMs: number,
): JudgedMeasurement {
  const failures: Record<string, number> = { ...window.failures };
  const slowCalls: Record<string, SlowCalls> = { ...window.slowCalls };
  const falseAlarmRate = window.falseAlarmRate / Math.max(1, chanceChecks(settings));
  const checks = settings.checks.map((check): CheckResult => {
    const name = nameOfCheck(check);
    if ('error' in measurement) return { check: name, verdict: 'error', message: measurement.error };
    const {
      failures: failed,
      slowCalls: slow,
      ...result
    } = judgeOne(check, {
      name,
      settings,
      measurement,
      canary: measurement.canary,
      stable: baseline ?? measurement.stable,
      falseAlarmRate,
      failures: failures[name] ?? 0,
      slowCalls: slowCalls[name],
    });
    if (failed !== undefined) failures[name] = failed;
    if (slow !== undefined) slowCalls[name] = slow;
    return { check: name, ...result };
  });
  const verdict = joinVerdicts(checks.map((check) => check.verdict));
  return { result: { atMs: nowMs, verdict, checks }, failures, slowCalls };
}

function judgeOne(check: CheckDocument, context: CheckContext): Judged {
  switch (check.check) {
    case 'request-success-rate':
      return judgeSuccessRate(check, context);
    case 'request-duration':
      return judgeDuration(check, context);
    case 'breaker-open':
      return judgeBreaker(check, context);
    case 'value':
      return judgeValue(check, context);
  }
}
