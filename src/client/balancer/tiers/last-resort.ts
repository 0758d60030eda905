import type { Random } from '../../../base/random';
import type { RoutedCall } from '../attempts/routed-call';
import type { ChannelConnection } from '../endpoints/connection';
import type { Pool } from './pool';

/** Whom a call gets when no tier is fit to serve it. */
export interface LastResort {
  readonly connection: ChannelConnection;
  readonly pool: Pool;
}

/** The whole list is bad: breakers are ignored and calls spread evenly over everyone connected that the call has not tried. */
export function anybodyConnected(call: RoutedCall, tiers: readonly Pool[], random: Random): LastResort | undefined {
  let count = 0;
  for (const pool of tiers) count += pool.connected.length;
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
export function leastRecentlyTried(call: RoutedCall, tiers: readonly Pool[], first: number): LastResort | undefined {
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
 * Anybody whose subchannel is READY at this moment, though nothing else speaks for it. With `isBehind` pools may not know yet who
 * that is, and all members are looked at.
 */
export function anybodyReadyNow(tiers: readonly Pool[], isBehind: boolean): LastResort | undefined {
  for (const pool of tiers) {
    const connection = (isBehind ? pool.members : pool.onTrial).find((member) => member.isConnected);
    if (connection !== undefined) return { connection, pool };
  }
  return undefined;
}
