import { ANY, evidenceAbove, evidenceNeeded, evidenceOfExcess } from '../../../base/sequential-test';
import type { GuardPlan } from '../../../policy/plan';
import type { RollingCounts } from './rolling-counts';

/**
 * With what chance a subset that is just as bad as it may be is ever found worse, counted from one moment on and however often it
 * is looked at. One that is no worse at all is hardly ever: docs/decisions/0020 has the figures.
 */
const ALARM_RATE = 0.001;
const ALARM_AT: number = evidenceNeeded(ALARM_RATE);
const HALF = 0.5;

/** Why the subset is shown to fail more often than it may; undefined: it is not. Asked at its failures. */
export function tooManyFailures(own: RollingCounts, other: RollingCounts, plan: GuardPlan): string | undefined {
  if (own.calls < plan.minimumCalls || other.calls === 0) return undefined;
  const margin = plan.maxExcessFailurePercentage / 100;
  // Most questions end here: evidence costs some microseconds.
  if (own.failures / own.calls <= other.failures / other.calls + margin) return undefined;
  const evidence = evidenceOfExcess(countsOf(own), countsOf(other), margin);
  if (evidence < ALARM_AT) return undefined;
  return `${own.failures} of ${own.calls} failed, ${plan.against} ${other.failures} of ${other.calls}`;
}

/**
 * Why the subset is shown to be slower than it may; undefined: it is not. A median above a limit means that more than half of the
 * attempts take longer, which is a share and can be tested as one; so can its excess over the other's share beyond that limit, which
 * keeps the noise in the limit itself from being held against the subset.
 */
export function tooSlow(own: RollingCounts, other: RollingCounts, plan: GuardPlan): string | undefined {
  const { maxLatencyFactor, minimumCalls } = plan;
  const ownTimes = own.latencies;
  const otherTimes = other.latencies;
  if (maxLatencyFactor === undefined || ownTimes === undefined || otherTimes === undefined) return undefined;
  if (ownTimes.count < minimumCalls || otherTimes.count < minimumCalls) return undefined;
  const otherMs = otherTimes.medianMs();
  const limitMs = maxLatencyFactor * otherMs;
  const slow = { calls: ownTimes.count, bad: ownTimes.slowerThan(limitMs) };
  if (slow.bad <= HALF * slow.calls || evidenceAbove(slow, HALF, ANY) < ALARM_AT) return undefined;
  const otherSlow = { calls: otherTimes.count, bad: otherTimes.slowerThan(limitMs) };
  if (evidenceOfExcess(slow, otherSlow, 0, ANY) < ALARM_AT) return undefined;
  return `half of ${ownTimes.count} took ${formatMs(ownTimes.medianMs())} or longer, ${plan.against} ${formatMs(otherMs)}`;
}

function countsOf({ calls, failures }: RollingCounts): { readonly calls: number; readonly bad: number } {
  return { calls, bad: failures };
}

function formatMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}
