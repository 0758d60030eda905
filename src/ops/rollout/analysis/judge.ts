import {
  aboveShare,
  type Counts,
  evidenceAbove,
  evidenceNeeded,
  evidenceOfExcess,
  evidenceOfNoExcess,
} from '../../../base/sequential-test';
import type { BreakerCheck, CheckDocument, DurationCheck, SuccessRateCheck, ValueCheck } from '../document';
import type { AnalysisWindow } from '../progress';
import { type ConditionValues, parseCondition } from './condition';
import {
  type AnalysisSettings,
  chanceChecks,
  DEFAULT_FACTOR,
  DEFAULT_QUANTILE,
  DEFAULT_THRESHOLD,
  nameOfCheck,
} from './settings';
import {
  callsOf,
  type FailedMeasurement,
  type Measurement,
  quantileMs,
  type SubsetMetrics,
  slowerThan,
} from './subset-metrics';
import {
  type AnalysisResult,
  type CheckContext,
  type CheckResult,
  countFailure,
  describeLack,
  formatCount,
  formatMs,
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

const SHARES: Readonly<Record<'p50' | 'p95' | 'p99', number>> = { p50: 0.5, p95: 0.95, p99: 0.99 };

/** Interpolated counts are not whole numbers. */
const HALF_A_CALL = 0.5;

/**
 * Judges a quantile as a share: a quantile above a limit means that more than the rest of the calls are slower than the
 * limit. The limit is the factor times stable's quantile, fixed by the first measurement with enough calls.
 *
 * Fails only if the canary's share is proven to be above what the quantile allows and above stable's present share, so
 * that a load that slows both is not the canary's fault. It must also be above without the measurement that was worst
 * for the canary: calls are slow in bursts (garbage collection, a neighbour on the machine), and one burst says little
 * about a version.
 */
function judgeDuration(
  { quantile = DEFAULT_QUANTILE, factor = DEFAULT_FACTOR }: DurationCheck,
  context: CheckContext,
): Judged {
  const canary = context.canary?.durations;
  const stable = context.stable?.durations;
  // A subset that was never called has no histogram yet.
  const calls = describeLack(context.canary?.calls ?? 0, context.stable?.calls ?? 0, context.settings.minimumCalls);
  if (context.canary !== undefined && context.stable !== undefined && calls !== undefined) {
    return { verdict: 'undecided', message: calls };
  }
  if (canary === undefined || stable === undefined) return { verdict: 'error', message: 'no figures of durations' };
  const share = SHARES[quantile];
  const ofCanary = quantileMs(canary, share);
  const ofStable = quantileMs(stable, share);
  const lack = describeLack(callsOf(canary), callsOf(stable), context.settings.minimumCalls);
  if (lack !== undefined) return { verdict: 'undecided', message: lack };
  const limit = context.slowCalls?.limitMs ?? Math.min(factor * ofStable, stable.boundsMs.at(-1) ?? 0);
  const slowCanary = slowerThan(canary, limit);
  const slowStable = slowerThan(stable, limit);
  const allowed = 1 - share;
  const slowCalls = addSlowCalls(context.slowCalls, limit, slowCanary, allowed);
  const usual = minus(slowCalls.seen, slowCalls.worst);
  const prior = aboveShare(allowed);
  const evidenceOf = (counts: Counts): number =>
    Math.min(evidenceAbove(counts, allowed, prior), evidenceOfExcess(counts, slowStable, 0, prior));
  const evidence = evidenceOf(usual);
  const alarmAt = evidenceNeeded(context.falseAlarmRate);
  const isOneBurst = evidence < alarmAt && evidenceOf(slowCanary) >= alarmAt;
  const tooEarly = isOneBurst && usual.calls < context.settings.minimumCalls;
  const which = usual.bad < HALF_A_CALL ? 'all' : `all but ${formatCount(usual.bad)}`;
  const message =
    `canary ${quantile} ${formatMs(ofCanary)}, stable ${formatMs(ofStable)}; ` +
    `about ${formatCount(slowCanary.bad)} of ${formatCount(slowCanary.calls)} canary calls (${formatPercent(slowCanary.bad / slowCanary.calls)}) ` +
    `took longer than ${formatMs(limit)}, allowed ${formatPercent(allowed)}`;
  return {
    verdict: evidence >= alarmAt ? 'fail' : tooEarly ? 'undecided' : 'pass',
    message: isOneBurst ? `${message}; ${which} of them in one measurement` : message,
    figures: {
      // A value beyond all buckets is infinite, which JSON does not have.
      ...(Number.isFinite(ofCanary) ? { canary: ofCanary } : {}),
      ...(Number.isFinite(ofStable) ? { stable: ofStable } : {}),
      limit,
      canaryCalls: slowCanary.calls,
      stableCalls: slowStable.calls,
      ...likelihoods(evidence, alarmAt),
    },
    slowCalls,
  };
}

const NONE: Counts = { calls: 0, bad: 0 };

/** Adds a measurement with `now` counted since the window began. `allowed` is the share of calls that may be slow. */
function addSlowCalls(before: SlowCalls | undefined, limitMs: number, now: Counts, allowed: number): SlowCalls {
  const added = minus(now, before?.seen ?? NONE);
  const excess = ({ calls, bad }: Counts): number => bad - allowed * calls;
  const worst = before !== undefined && excess(before.worst) >= excess(added) ? before.worst : added;
  return { limitMs, seen: now, worst };
}

/** The difference, at least 0: counts may shrink when a client has ended. */
function minus(all: Counts, some: Counts): Counts {
  const calls = Math.max(0, all.calls - some.calls);
  return { calls, bad: Math.min(calls, Math.max(0, all.bad - some.bad)) };
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
