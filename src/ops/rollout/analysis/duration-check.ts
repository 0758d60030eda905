import { type Counts, evidenceAbove, evidenceNeeded, evidenceOfExcess } from '../../../base/sequential-test';
import type { DurationCheck } from '../document';
import { DEFAULT_FACTOR, DEFAULT_QUANTILE } from './settings';
import type { DurationHistogram } from './subset-metrics';
import {
  type CheckContext,
  describeLack,
  formatCount,
  formatMs,
  formatPercent,
  type Judged,
  likelihoods,
  type SlowCalls,
} from './verdict';

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
export function judgeDuration(
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
  const slowCalls = addSlowCalls(context.slowCalls, limit, slowCanary, 1 - share);
  const usual = minus(slowCalls.seen, slowCalls.worst);
  const evidenceOf = (counts: Counts): number =>
    Math.min(evidenceAbove(counts, 1 - share), evidenceOfExcess(counts, slowStable, 0));
  const evidence = evidenceOf(usual);
  const alarmAt = evidenceNeeded(context.falseAlarmRate);
  const isOneBurst = evidence < alarmAt && evidenceOf(slowCanary) >= alarmAt;
  const tooEarly = isOneBurst && usual.calls < context.settings.minimumCalls;
  const which = usual.bad < HALF_A_CALL ? 'all' : `all but ${formatCount(usual.bad)}`;
  const message =
    `canary ${quantile} ${formatMs(ofCanary)}, stable ${formatMs(ofStable)}; ` +
    `about ${formatCount(slowCanary.bad)} of ${formatCount(slowCanary.calls)} canary calls (${formatPercent(slowCanary.bad / slowCanary.calls)}) ` +
    `took longer than ${formatMs(limit)}, allowed ${formatPercent(1 - share)}`;
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
