import { evidenceNeeded, evidenceOfExcess, evidenceOfNoExcess } from '../../../base/sequential-test';
import type { BreakerCheck, CheckDocument, SuccessRateCheck, ValueCheck } from '../document';
import type { AnalysisWindow } from '../progress';
import { type ConditionValues, parseCondition } from './condition';
import { judgeDuration } from './duration-check';
import { type AnalysisSettings, chanceChecks, DEFAULT_THRESHOLD, nameOfCheck } from './settings';
import type { FailedMeasurement, Measurement, SubsetMetrics } from './subset-metrics';
import {
  type AnalysisResult,
  type CheckContext,
  type CheckResult,
  countFailure,
  describeLack,
  formatCount,
  formatPercent,
  type Judged,
  joinVerdicts,
  likelihoods,
  type SlowCalls,
} from './verdict';

export interface JudgedMeasurement extends Pick<AnalysisWindow, 'failures' | 'slowCalls'> {
  readonly result: AnalysisResult;
}

/**
 * Judges one measurement by every check. `baseline` replaces stable when stable has no calls any more. The window holds
 * what earlier measurements left. Pure.
 */
export function judge(
  settings: AnalysisSettings,
  measurement: Measurement | FailedMeasurement,
  window: AnalysisWindow,
  baseline: SubsetMetrics | undefined,
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

/**
 * Fails when the canary is proven to fail more than allowed. Passes when it is proven not to, or when `acceptance`
 * needs no proof.
 */
function judgeSuccessRate({ threshold = DEFAULT_THRESHOLD }: SuccessRateCheck, context: CheckContext): Judged {
  const { canary, stable, settings } = context;
  if (canary === undefined || stable === undefined) return { verdict: 'error', message: 'no figures of calls' };
  const lack = describeLack(canary.calls, stable.calls, settings.minimumCalls);
  const canaryCounts = { calls: canary.calls, bad: canary.failures };
  const stableCounts = { calls: stable.calls, bad: stable.failures };
  const evidence = evidenceOfExcess(canaryCounts, stableCounts, threshold / 100);
  const alarmAt = evidenceNeeded(context.falseAlarmRate);
  const figures = {
    canary: canary.failures / Math.max(1, canary.calls),
    stable: stable.failures / Math.max(1, stable.calls),
    limit: stable.failures / Math.max(1, stable.calls) + threshold / 100,
    canaryCalls: canary.calls,
    stableCalls: stable.calls,
    ...likelihoods(evidence, alarmAt),
  };
  const seen =
    `canary failed ${formatCount(canary.failures)} of ${formatCount(canary.calls)} (${formatPercent(figures.canary)}), ` +
    `stable ${formatCount(stable.failures)} of ${formatCount(stable.calls)} (${formatPercent(figures.stable)}); ` +
    `allowed ${threshold} ${threshold === 1 ? 'point' : 'points'} more`;
  if (lack !== undefined) return { verdict: 'undecided', message: `${lack}; ${seen}`, figures };
  if (evidence >= alarmAt) return { verdict: 'fail', message: seen, figures };
  if (settings.acceptance === 'unrefuted') return { verdict: 'pass', message: seen, figures };
  const proof = evidenceOfNoExcess(canaryCounts, stableCounts, threshold / 100);
  if (proof >= evidenceNeeded(settings.missRate)) return { verdict: 'pass', message: seen, figures };
  return { verdict: 'undecided', message: `too few calls to tell; ${seen}`, figures };
}

/**
 * Needs no minimum of the canary's calls: an open breaker keeps calls away, so a canary that fails all of them would
 * never have enough. Where there are few instances, each may be ejected before the subset's breaker opens. Then the
 * fallback shows it: the fallback serves more of the canary's calls than the canary.
 */
function judgeBreaker({ failureLimit = 0 }: BreakerCheck, context: CheckContext): Judged {
  const { openBreakers: open, fallbacks = 0, calls } = context.canary ?? { calls: 0 };
  if (open === undefined) return { verdict: 'error', message: 'no figures of breakers' };
  if (open > 0) {
    const message = `the canary is shed by its breaker in ${open} ${open === 1 ? 'place' : 'places'}`;
    return countFailure(context, failureLimit, message, { result: open });
  }
  if (fallbacks >= context.settings.minimumCalls && fallbacks > calls) {
    const message = `the fallback served ${formatCount(fallbacks)} of the canary's calls, the canary ${formatCount(calls)}`;
    return countFailure(context, failureLimit, message, { result: fallbacks, canaryCalls: calls });
  }
  return { verdict: 'pass', message: 'closed in every client', figures: { result: 0 } };
}

/**
 * Judges by the failure condition first, then by the success condition. Where only one is given, the other is its
 * opposite.
 */
function judgeValue(check: ValueCheck, context: CheckContext): Judged {
  const measured = context.measurement.values?.[check.name];
  if (measured === undefined) return { verdict: 'error', message: 'not measured' };
  if ('error' in measured) return { verdict: 'error', message: measured.error };
  const failed = evaluate(check.failureCondition, measured);
  const succeeded = evaluate(check.successCondition, measured);
  if (failed === undefined || succeeded === undefined) {
    return { verdict: 'error', message: `${describe(measured)}: the condition needs a finite figure that is missing` };
  }
  if (failed === true) {
    return countFailure(context, check.failureLimit ?? 0, `${describe(measured)}: ${check.failureCondition}`, measured);
  }
  if (succeeded !== false) return { verdict: 'pass', message: describe(measured), figures: measured };
  const message = `${describe(measured)}: not ${check.successCondition}`;
  if (failed === false) return { verdict: 'undecided', message, figures: measured };
  return countFailure(context, check.failureLimit ?? 0, message, measured);
}

/** `none`: there is no such condition. Undefined: it needs a figure that is missing. */
function evaluate(text: string | undefined, values: ConditionValues): boolean | 'none' | undefined {
  if (text === undefined) return 'none';
  return parseCondition(text)(values);
}

function describe(values: ConditionValues): string {
  const parts = Object.entries(values).map(([name, value]) => `${name} ${Number(value.toPrecision(6))}`);
  return parts.length === 0 ? 'no figure' : parts.join(', ');
}
