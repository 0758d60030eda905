import type { RoutedCall } from '../attempts/routed-call';
import type { BalancerHost } from '../host';
import type { Pool } from './pool';

/*
 * When a tier passes a call on to the later ones although somebody in it could take it. Asked in the pick: nothing here
 * reads a clock or allocates.
 */

/** A subset whose breaker is open goes to its fallback, except for the trickle that a half-open one lets through. */
export function isShed(host: BalancerHost, tiers: readonly Pool[], tier: number): boolean {
  const pool = tiers[tier] as Pool;
  if (pool.subsetBreaker === undefined) return false;
  const { breakers, endpoints } = host;
  if (!breakers.isShed(pool.subset, pool.datacenter, endpoints.nowMs)) {
    pool.subsetBreaker.offer(endpoints.nowMs);
    return false;
  }
  // Shedding needs somebody to shed to: a strict route, or the last subset of its chain, has nobody.
  for (let later = tier + 1; later < tiers.length; later += 1) {
    if ((tiers[later] as Pool).subset !== pool.subset) return true;
  }
  return false;
}

/** Is this one of the calls that a weakened tier gives up, and is there somebody to take it? */
export function spills(host: BalancerHost, call: RoutedCall, tiers: readonly Pool[], tier: number): boolean {
  const pool = tiers[tier] as Pool;
  // A retry goes to whoever has not been tried yet, here first.
  if (!pool.spill.isPartial || (call.tried !== undefined && !pool.isAllBad)) return false;
  const share = pool.spill.share(host.endpoints.nowMs);
  if (share >= 1 || host.random() < share) return false;
  for (let later = tier + 1; later < tiers.length; later += 1) {
    const next = tiers[later] as Pool;
    if (next.kind === 'draining' && !pool.isAllBad) continue;
    if (next.picker !== undefined && !next.isAllBad && !isOpen(next)) return true;
  }
  return false;
}

/**
 * Where a call's last attempt begins: with the fallback, since a version that fails every call would fail this one too
 * whoever of it is asked; and, of the tiers that are left, with one that has not just lost many of its own: when a whole
 * datacenter goes, its last ones are still connected for a moment.
 */
export function lastAttemptFrom(host: BalancerHost, call: RoutedCall, tiers: readonly Pool[]): number {
  if (hasWrittenOrder(call)) return 0;
  const wanted = tiers[0]?.subset;
  const isOther = (pool: Pool): boolean => pool.subset !== wanted;
  const isStrong = (pool: Pool): boolean => !isWeakened(host, pool);
  const fallback = firstFit(tiers, (pool) => isOther(pool) && isStrong(pool)) ?? firstFit(tiers, isOther);
  if (fallback !== undefined) return fallback;
  return tiers[0] === undefined || isStrong(tiers[0]) ? 0 : (firstFit(tiers, isStrong) ?? 0);
}

function firstFit(tiers: readonly Pool[], isWanted: (pool: Pool) => boolean): number | undefined {
  const tier = tiers.findIndex(
    (pool) =>
      pool.kind !== 'draining' && pool.picker !== undefined && !pool.isAllBad && !isOpen(pool) && isWanted(pool),
  );
  return tier < 0 ? undefined : tier;
}

function isWeakened(host: BalancerHost, { spill }: Pool): boolean {
  return spill.share(host.endpoints.nowMs) < 1;
}

/** Of a discovery chain: the next tier is for when nobody in this one is well, and neither a fallback nor a second try. */
export function hasWrittenOrder(call: RoutedCall): boolean {
  return call.decision?.destination.tiers !== undefined;
}

function isOpen(pool: Pool): boolean {
  return pool.subsetBreaker !== undefined && pool.subsetBreaker.state !== 'closed';
}
