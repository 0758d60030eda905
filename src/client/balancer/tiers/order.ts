import type { Random } from '../../../base/random';
import type { BreakerRegistry } from '../../breaker/registry';
import type { CallState } from '../../grpc/call-state';
import type { BalancerContext } from '../context';
import type { ChannelConnection } from '../endpoints/connection';
import type { Pool } from './pool';
/*
 * When a tier passes a call on to the later ones although somebody in it could take it. Asked in the pick: nothing here
 * reads a clock or allocates.
 */

/** A subset whose breaker is open goes to its fallback, except for the trickle that a half-open one lets through. */
export function isShed(context: BalancerContext, tiers: readonly Pool[], tier: number): boolean {
  const pool = tiers[tier] as Pool;
  if (pool.subsetBreaker === undefined) return false;
  const { breakers, endpoints } = context;
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

/** Is this one of the calls that a partial tier gives up, and can a later tier take it? */
export function spills(context: BalancerContext, call: CallState, tiers: readonly Pool[], tier: number): boolean {
  const pool = tiers[tier] as Pool;
  // A retry goes to whoever has not been tried yet, here first.
  if (call.tried !== undefined && !pool.isAllBad) return false;
  const share = pool.spill.share(context.endpoints.nowMs);
  if (share >= 1 || context.random() < share) return false;
  for (let later = tier + 1; later < tiers.length; later += 1) {
    const next = tiers[later] as Pool;
    if (next.kind === 'draining' && !pool.isAllBad) continue;
    if (next.picker !== undefined && !next.isAllBad && !isOpen(next)) return true;
  }
  return false;
}

/**
 * Where a call's last attempt begins: with the fallback, since a version that fails every call would fail this one too
 * whoever of it is asked; and, of the tiers that are left, with one that has not just lost many of its own, nor the
 * attempt before: when a whole datacenter goes, its last ones are still connected for a moment.
 */
export function lastAttemptFrom(context: BalancerContext, call: CallState, tiers: readonly Pool[]): number {
  if (hasWrittenOrder(call)) return 0;
  const wanted = tiers[0]?.subset;
  const lostIn = isWithoutAnswer(call) ? call.tried?.at(-1)?.datacenter : undefined;
  const isOther = (pool: Pool): boolean => pool.subset !== wanted;
  const isStrong = (pool: Pool): boolean => !isWeakened(context, pool);
  const isWell = (pool: Pool): boolean => isStrong(pool) && pool.datacenter !== lostIn;
  const fallback =
    firstFit(tiers, (pool) => isOther(pool) && isWell(pool)) ??
    firstFit(tiers, (pool) => isOther(pool) && isStrong(pool)) ??
    firstFit(tiers, isOther);
  if (fallback !== undefined) return fallback;
  if (tiers[0] === undefined || isWell(tiers[0])) return 0;
  return firstFit(tiers, isWell) ?? (isStrong(tiers[0]) ? 0 : (firstFit(tiers, isStrong) ?? 0));
}

/** The connection of the attempt before broke, or no answer came in its time: its neighbours may be gone as well. */
function isWithoutAnswer({ lastEnding }: CallState): boolean {
  return lastEnding === 'broken' || lastEnding === 'given-up';
}

function firstFit(tiers: readonly Pool[], isWanted: (pool: Pool) => boolean): number | undefined {
  const tier = tiers.findIndex(
    (pool) =>
      pool.kind !== 'draining' && pool.picker !== undefined && !pool.isAllBad && !isOpen(pool) && isWanted(pool),
  );
  return tier < 0 ? undefined : tier;
}

function isWeakened(context: BalancerContext, { spill }: Pool): boolean {
  return spill.share(context.endpoints.nowMs) < 1;
}

/**
 * Of a discovery chain: the next tier is for when nobody in this one is well, and neither a fallback nor a second try.
 */
export function hasWrittenOrder(call: CallState): boolean {
  return call.decision?.destination.tiers !== undefined;
}

function isOpen(pool: Pool): boolean {
  return pool.subsetBreaker !== undefined && pool.subsetBreaker.state !== 'closed';
}

/** A connection and the pool that it is picked from. */
export interface PooledConnection {
  readonly connection: ChannelConnection;
  readonly pool: Pool;
}

/**
 * The whole list is bad: breakers are ignored and calls spread evenly over everyone connected that the call has not
 * tried.
 */
export function anybodyConnected(
  call: CallState,
  tiers: readonly Pool[],
  random: Random,
): PooledConnection | undefined {
  let count = 0;
  for (const pool of tiers) count += pool.connected.length;
  // A call that nobody can take draws no number.
  if (count === 0) return undefined;
  const start = Math.floor(random() * count);
  for (let step = 0; step < count; step += 1) {
    let at = (start + step) % count;
    for (let tier = 0; tier < tiers.length; tier += 1) {
      const pool = tiers[tier] as Pool;
      const connection = pool.connected[at];
      if (connection === undefined) {
        at -= pool.connected.length;
        continue;
      }
      if (!connection.isReady || call.tried?.includes(connection.endpoint) === true) break;
      return { connection, pool };
    }
  }
  return undefined;
}

/** In the tiers from `first` on. */
export function leastRecentlyTried(
  call: CallState,
  tiers: readonly Pool[],
  first: number,
): PooledConnection | undefined {
  const tried = call.tried ?? [];
  for (const [at, endpoint] of tried.entries()) {
    // Tried again since: its turn is that of its latest try.
    if (tried.lastIndexOf(endpoint) > at) continue;
    for (let tier = first; tier < tiers.length; tier += 1) {
      const pool = tiers[tier] as Pool;
      const connection = pool.members.find((member) => member.endpoint === endpoint && member.isReady);
      if (connection !== undefined) return { connection, pool };
    }
  }
  return undefined;
}

/**
 * Anybody whose subchannel is READY at this moment, though nothing else speaks for it. With `isBehind` pools may not
 * know yet who that is, and all members are looked at.
 */
export function anybodyReadyNow(tiers: readonly Pool[], isBehind: boolean): PooledConnection | undefined {
  for (const pool of tiers) {
    const connection = (isBehind ? pool.members : pool.onTrial).find((member) => member.isConnected);
    if (connection !== undefined) return { connection, pool };
  }
  return undefined;
}

/** Called in each pick of a service that has caps: a call counts once, however often its pick is repeated. */
export function countForCap(call: CallState, breakers: BreakerRegistry): void {
  if (call.fallbackUse !== 'unasked') return;
  call.fallbackUse = 'counted';
  if (call.decision !== undefined) breakers.fallbackCap(call.decision.destination.subset)?.called();
}

/** May the call go to this pool? Always to its own subset; to another as far as the cap goes. */
export function mayUse(call: CallState, pool: Pool, breakers: BreakerRegistry): boolean {
  if (isOwn(call, pool)) return true;
  if (call.fallbackUse !== 'granted' && call.fallbackUse !== 'denied') {
    const cap = breakers.fallbackCap(call.decision?.destination.subset ?? '');
    call.fallbackUse = cap === undefined || cap.take() ? 'granted' : 'denied';
  }
  return call.fallbackUse === 'granted';
}

/** What is left of a call's tiers when its subset must do with itself. */
export function ownTiers(call: CallState, tiers: readonly Pool[]): readonly Pool[] {
  return call.fallbackUse === 'denied' ? tiers.filter((pool) => isOwn(call, pool)) : tiers;
}

function isOwn(call: CallState, pool: Pool): boolean {
  return pool.subset === call.decision?.destination.subset;
}
