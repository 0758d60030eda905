import { ejectionLimit } from '../../breaker/ejection';
import type { Pace } from '../endpoints/pace';

/** Slow is what takes so many times as long as half of the endpoints do, each call beside the usual time of its method. */
const SLOW_FACTOR = 5;
/** At most this share of the endpoints is shunned, but one in any case, and never all. */
const MAX_SHUNNED_PERCENTAGE = 50;

/**
 * Compares endpoints of one pool with one another, and shuns or restores some. True when it did. They are measured against their
 * median, which a few slow ones do not move; failures teach no pace.
 */
export function judgePaces(paces: readonly Pace[], nowMs: number): boolean {
  const known = paces.filter((pace) => pace.mean > 0);
  if (known.length < 2) return false;
  const means = Float64Array.from(known, (pace) => pace.mean).sort();
  const limit = SLOW_FACTOR * (means[(means.length - 1) >> 1] as number);
  for (const pace of paces) pace.limit = limit;

  const cured = known.filter((pace) => pace.isCured);
  for (const pace of cured) pace.restore(nowMs);
  const most = ejectionLimit(paces.length, MAX_SHUNNED_PERCENTAGE);
  const shunned = known.filter((pace) => pace.isShunned).sort(slowestFirst);
  const surplus = shunned.slice(most);
  for (const pace of surplus) pace.restore(nowMs);
  const room = Math.max(0, most - shunned.length);
  const lagging = room === 0 ? [] : known.filter((pace) => pace.isLagging(nowMs)).sort(slowestFirst);
  for (const pace of lagging.slice(0, room)) pace.shun(nowMs);
  return cured.length > 0 || surplus.length > 0 || lagging.length > 0;
}

function slowestFirst(a: Pace, b: Pace): number {
  return b.mean - a.mean;
}
