import {
  aboveShare,
  type Counts,
  evidenceAbove,
  evidenceBelow,
  evidenceNeeded,
  evidenceOfExcess,
  evidenceOfNoExcess,
} from '../../../base/sequential-test';
import type {
  BreakerCheck,
  CheckDocument,
  CompareCheck,
  DurationCheck,
  SuccessRateCheck,
  ValueCheck,
} from '../document';
import type { AnalysisWindow } from '../progress';
import { type ConditionValues, parseCondition } from './condition';
import {
  type AnalysisSettings,
  chanceLimits,
  DEFAULT_DIFFERING,
  DEFAULT_QUANTILE,
  limitsOfDuration,
  limitsOfSuccess,
  nameOfCheck,
} from './settings';
import {
  callsOf,
  type DurationHistogram,
  type FailedMeasurement,
  type Measurement,
  quantileMs,
  type SubsetMetrics,
  slowerThan,
} from './subset-metrics';
import {
  type AnalysisResult,
  type CheckContext,
  type CheckMetrics,
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
  type Verdict,
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
  const falseAlarmRate = window.falseAlarmRate / Math.max(1, chanceLimits(settings));
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
      slowCalls: window.slowCalls,
    });
    if (failed !== undefined) failures[name] = failed;
    Object.assign(slowCalls, slow);
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
    case 'mirror-compare':
      return judgeCompare(check, context);
    case 'value':
      return judgeValue(check, context);
  }
}

/** What one limit of a check says of one measurement. */
interface Limited {
  /** How the limit reads: `allowed 1 point more`. */
  readonly allowed: string;
  /** For the figures: the canary's share, or milliseconds. */
  readonly limit: number;
  readonly verdict: Verdict;
  readonly evidence: number;
  readonly alarmAt: number;
}

/**
 * Judges the share of failures by the limit against stable, by the absolute one, or by both. Each fails when the canary
 * is proven to fail more than allowed, and passes when it is proven not to, or when `acceptance` needs no proof.
 */
function judgeSuccessRate(check: SuccessRateCheck, context: CheckContext): Judged {
  const { canary, stable, settings } = context;
  const { threshold, minimum } = limitsOfSuccess(check);
  if (canary === undefined || stable === undefined) return { verdict: 'error', message: 'no figures of calls' };
  const needed = threshold === undefined ? Number.POSITIVE_INFINITY : stable.calls;
  const lack = describeLack(canary.calls, needed, settings.minimumCalls);
  const ofCanary = { calls: canary.calls, bad: canary.failures };
  const ofStable = { calls: stable.calls, bad: stable.failures };
  const alarmAt = evidenceNeeded(context.falseAlarmRate);
  const shares = {
    canary: canary.failures / Math.max(1, canary.calls),
    stable: stable.failures / Math.max(1, stable.calls),
  };
  const limits: Limited[] = [];
  if (threshold !== undefined) {
    const evidence = evidenceOfExcess(ofCanary, ofStable, threshold / 100);
    limits.push({
      allowed: `allowed ${threshold} ${threshold === 1 ? 'point' : 'points'} more`,
      limit: shares.stable + threshold / 100,
      verdict: proven(evidence, context, () => evidenceOfNoExcess(ofCanary, ofStable, threshold / 100)),
      evidence,
      alarmAt,
    });
  }
  if (minimum !== undefined) {
    const limit = 1 - minimum / 100;
    const evidence = evidenceAbove(ofCanary, limit);
    limits.push({
      allowed: `allowed ${formatPercent(limit)}`,
      limit,
      verdict: proven(evidence, context, () => evidenceBelow(ofCanary, limit)),
      evidence,
      alarmAt,
    });
  }
  const seen =
    `canary failed ${formatCount(canary.failures)} of ${formatCount(canary.calls)} (${formatPercent(shares.canary)}), ` +
    `stable ${formatCount(stable.failures)} of ${formatCount(stable.calls)} (${formatPercent(shares.stable)}); ` +
    limits.map(({ allowed }) => allowed).join(', ');
  const figures = { ...shares, canaryCalls: canary.calls, stableCalls: stable.calls, ...strictest(limits) };
  if (lack !== undefined) return { verdict: 'undecided', message: `${lack}; ${seen}`, figures };
  const verdict = joinVerdicts(limits.map((each) => each.verdict));
  return { verdict, message: verdict === 'undecided' ? `too few calls to tell; ${seen}` : seen, figures };
}

function proven(evidence: number, { falseAlarmRate, settings }: CheckContext, proof: () => number): Verdict {
  if (evidence >= evidenceNeeded(falseAlarmRate)) return 'fail';
  if (settings.acceptance === 'unrefuted') return 'pass';
  return proof() >= evidenceNeeded(settings.missRate) ? 'pass' : 'undecided';
}

/** The figures of the limit that the canary is nearest to failing. */
function strictest(limits: readonly Limited[]): Pick<CheckMetrics, 'limit' | 'evidence' | 'alarmAt'> {
  const [most] = [...limits].sort((a, b) => b.evidence - b.alarmAt - (a.evidence - a.alarmAt));
  return most === undefined ? {} : { limit: most.limit, ...likelihoods(most.evidence, most.alarmAt) };
}

const SHARES: Readonly<Record<'p50' | 'p95' | 'p99', number>> = { p50: 0.5, p95: 0.95, p99: 0.99 };

/** Interpolated counts are not whole numbers. */
const HALF_A_CALL = 0.5;

/**
 * Judges a quantile as a share: a quantile above a limit means that more than the rest of the calls are slower than the
 * limit. The limits are the factor times stable's quantile, fixed by the first measurement with enough calls, and the
 * absolute one.
 */
function judgeDuration(check: DurationCheck, context: CheckContext): Judged {
  const { quantile = DEFAULT_QUANTILE } = check;
  const { factor, maximumMs } = limitsOfDuration(check);
  const canary = context.canary?.durations;
  const stable = context.stable?.durations;
  const needed = (calls: number): number => (factor === undefined ? Number.POSITIVE_INFINITY : calls);
  const { minimumCalls } = context.settings;
  // A subset that was never called has no histogram yet.
  const calls = describeLack(context.canary?.calls ?? 0, needed(context.stable?.calls ?? 0), minimumCalls);
  if (context.canary !== undefined && context.stable !== undefined && calls !== undefined) {
    return { verdict: 'undecided', message: calls };
  }
  if (canary === undefined || (stable === undefined && factor !== undefined)) {
    return { verdict: 'error', message: 'no figures of durations' };
  }
  const share = SHARES[quantile];
  const ofCanary = quantileMs(canary, share);
  const ofStable = stable === undefined ? Number.NaN : quantileMs(stable, share);
  const lack = describeLack(callsOf(canary), needed(stable === undefined ? 0 : callsOf(stable)), minimumCalls);
  if (lack !== undefined) return { verdict: 'undecided', message: lack };
  const slowCalls: Record<string, SlowCalls> = {};
  const limits: Limited[] = [];
  if (factor !== undefined && stable !== undefined) {
    const { name } = context;
    const limitMs = context.slowCalls[name]?.limitMs ?? Math.min(factor * ofStable, stable.boundsMs.at(-1) ?? 0);
    limits.push(judgeSlow({ name, canary, stable, limitMs, allowed: 1 - share }, context, slowCalls));
  }
  if (maximumMs !== undefined) {
    const last = canary.boundsMs.at(-1) ?? 0;
    // Of calls in the last bucket nothing is known but that they took longer than its lower bound.
    if (maximumMs > last && (canary.counts.at(-1) ?? 0) > 0) {
      const message = `maximumMs: ${maximumMs} (expected: at most ${formatMs(last)}, the last bound of the figures)`;
      return { verdict: 'error', message };
    }
    const name = `${context.name} maximumMs`;
    limits.push(
      judgeSlow({ name, canary, stable: undefined, limitMs: maximumMs, allowed: 1 - share }, context, slowCalls),
    );
  }
  const seen = [`canary ${quantile} ${formatMs(ofCanary)}`];
  if (stable !== undefined && !Number.isNaN(ofStable)) seen.push(`stable ${formatMs(ofStable)}`);
  return {
    verdict: joinVerdicts(limits.map(({ verdict }) => verdict)),
    message: `${seen.join(', ')}; ${limits.map(({ allowed }) => allowed).join('; ')}`,
    figures: {
      // A value beyond all buckets is infinite, which JSON does not have.
      ...(Number.isFinite(ofCanary) ? { canary: ofCanary } : {}),
      ...(Number.isFinite(ofStable) ? { stable: ofStable } : {}),
      canaryCalls: callsOf(canary),
      ...(stable === undefined ? {} : { stableCalls: callsOf(stable) }),
      ...strictest(limits),
    },
    slowCalls,
  };
}

interface SlowLimit {
  /** Under which its state is kept from one measurement to the next. */
  readonly name: string;
  readonly canary: DurationHistogram;
  /** Undefined: the limit is absolute. */
  readonly stable: DurationHistogram | undefined;
  readonly limitMs: number;
  /** The share of calls that may be slower. */
  readonly allowed: number;
}

/**
 * Fails only if the canary's share of calls beyond the limit is proven to be above what the quantile allows and, of a
 * limit taken from stable, above stable's present share, so that a load that slows both is not the canary's fault. It
 * must also be above without the measurement that was worst for the canary: calls are slow in bursts (garbage
 * collection, a neighbour on the machine), and one burst says little about a version.
 */
function judgeSlow(
  { name, canary, stable, limitMs, allowed }: SlowLimit,
  context: CheckContext,
  kept: Record<string, SlowCalls>,
): Limited {
  const ofCanary = slowerThan(canary, limitMs);
  const ofStable = stable === undefined ? undefined : slowerThan(stable, limitMs);
  const slowCalls = addSlowCalls(context.slowCalls[name], limitMs, ofCanary, allowed);
  kept[name] = slowCalls;
  const usual = minus(slowCalls.seen, slowCalls.worst);
  const prior = aboveShare(allowed);
  const evidenceOf = (counts: Counts): number => {
    const above = evidenceAbove(counts, allowed, prior);
    return ofStable === undefined ? above : Math.min(above, evidenceOfExcess(counts, ofStable, 0, prior));
  };
  const evidence = evidenceOf(usual);
  const alarmAt = evidenceNeeded(context.falseAlarmRate);
  const isOneBurst = evidence < alarmAt && evidenceOf(ofCanary) >= alarmAt;
  const tooEarly = isOneBurst && usual.calls < context.settings.minimumCalls;
  const which = usual.bad < HALF_A_CALL ? 'all' : `all but ${formatCount(usual.bad)}`;
  const seen =
    `about ${formatCount(ofCanary.bad)} of ${formatCount(ofCanary.calls)} canary calls (${formatPercent(ofCanary.bad / ofCanary.calls)}) ` +
    `took longer than ${formatMs(limitMs)}, allowed ${formatPercent(allowed)}`;
  return {
    allowed: isOneBurst ? `${seen}; ${which} of them in one measurement` : seen,
    limit: limitMs,
    verdict: evidence >= alarmAt ? 'fail' : tooEarly ? 'undecided' : 'pass',
    evidence,
    alarmAt,
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

/** Judges the share of compared answers that differ as one of failures by an absolute limit. */
function judgeCompare({ maximum = DEFAULT_DIFFERING }: CompareCheck, context: CheckContext): Judged {
  const { compared, differing = 0 } = context.canary ?? {};
  if (compared === undefined) return { verdict: 'error', message: 'no figures of compared answers' };
  const counts = { calls: compared, bad: Math.min(compared, differing) };
  const limit = maximum / 100;
  const evidence = evidenceAbove(counts, limit);
  const share = counts.bad / Math.max(1, compared);
  const seen =
    `${formatCount(counts.bad)} of ${formatCount(compared)} compared answers differ (${formatPercent(share)}); ` +
    `allowed ${formatPercent(limit)}`;
  const figures = {
    ...{ canary: share, limit, canaryCalls: compared },
    ...likelihoods(evidence, evidenceNeeded(context.falseAlarmRate)),
  };
  const lack = describeLack(compared, Number.POSITIVE_INFINITY, context.settings.minimumCalls);
  const verdict = lack === undefined ? proven(evidence, context, () => evidenceBelow(counts, limit)) : 'undecided';
  return { verdict, message: verdict === 'undecided' ? `too few to tell; ${seen}` : seen, figures };
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
  return parseCondition(text).holds(values);
}

function describe(values: ConditionValues): string {
  const parts = Object.entries(values).map(([name, value]) => `${name} ${Number(value.toPrecision(6))}`);
  return parts.length === 0 ? 'no figure' : parts.join(', ');
}
