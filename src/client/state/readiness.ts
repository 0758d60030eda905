import type { DatacenterState, Freshness, SourceState } from '../../base/instances';
import { sameItems, sameMaps, sameSets } from '../../base/same-items';
import type { InstanceSet } from '../../policy/membership/snapshot';

/**
 * Whether enough is known of the instances to send calls: the local datacenter answered with a usable instance, or
 * every datacenter has answered or failed and at least one answered. A datacenter that stays silent counts as failed
 * after a while, as its source says.
 */
export function isInstanceSetKnown(state: SourceState): boolean {
  const [local] = state.datacenters;
  if (local === undefined) return false;
  if (local.known && local.instances.some((instance) => instance.status !== 'critical')) return true;
  return (
    state.datacenters.some((each) => each.known) && state.datacenters.every((each) => each.known || hasFailed(each))
  );
}

/** Why `isInstanceSetKnown` is false. `from`: what was asked, in words. */
export function describeUnknown(service: string, from: string, state: SourceState | undefined): string {
  if (state === undefined || state.datacenters.length === 0)
    return `${service}: instances not known (${from} has not answered yet)`;
  const unknown = state.datacenters.filter((each) => !each.known);
  const parts = unknown.map((each) =>
    each.freshness.kind !== 'fresh' && each.freshness.reason !== undefined
      ? `${each.datacenter}: ${each.freshness.reason}`
      : `${each.datacenter}: no answer yet`,
  );
  return `${service}: instances not known from ${from} (${parts.join('; ')})`;
}

/** Which datacenters are served from what was known before, since when and why. Undefined: none is. */
export function describeStaleness(state: SourceState | undefined, nowMs: number): string | undefined {
  const parts = (state?.datacenters ?? []).flatMap(({ datacenter, freshness }) =>
    freshness.kind === 'stale'
      ? [`${datacenter} as of ${Math.round((nowMs - freshness.sinceMs) / 1000)} s ago (${freshness.reason})`]
      : [],
  );
  return parts.length === 0 ? undefined : `discovery is stale: ${parts.join('; ')}`;
}

/** What a plan looks up elsewhere, and that has failed since a restart, is served from what was remembered of it. */
export function withLastKnownGoodLookups(
  states: ReadonlyMap<string, DatacenterState>,
  lastKnownGood: InstanceSet | undefined,
): ReadonlyMap<string, DatacenterState> {
  if (lastKnownGood?.lookups === undefined) return states;
  const former = lastKnownGood.lookups;
  return new Map(
    [...states].map(([key, state]) => {
      const known = state.known || !hasFailed(state) ? undefined : formerOf(key, state, former);
      return [key, known === undefined ? state : { ...known, freshness: staleness(known, state.freshness) }];
    }),
  );
}

/** Until Consul has answered once, the agent's own datacenter may go by another name than it had. */
function formerOf(
  key: string,
  state: DatacenterState,
  former: ReadonlyMap<string, DatacenterState>,
): DatacenterState | undefined {
  const known = former.get(key);
  if (known !== undefined || !state.local || !key.endsWith(state.datacenter)) return known;
  const start = key.slice(0, key.length - state.datacenter.length);
  return [...former].find(([other, each]) => each.local && other.startsWith(start))?.[1];
}

/** As old as what is served, for the reason that there is nothing newer. */
export function staleness(former: DatacenterState, now: Freshness): Freshness {
  if (former.freshness.kind !== 'stale' || now.kind === 'fresh') return now;
  return { ...former.freshness, reason: now.reason ?? former.freshness.reason };
}

/** True when two states say the same of the instances, whatever they say of freshness. */
export function sameInstances(
  a: InstanceSet | undefined,
  b: SourceState,
  lookups: ReadonlyMap<string, DatacenterState>,
): boolean {
  if (a === undefined || a.datacenters.length !== b.datacenters.length) return false;
  return (
    sameMaps(a.lookups, lookups, isSameState) &&
    a.datacenters.every((state, index) => isSameState(state, b.datacenters[index] as DatacenterState))
  );
}

function isSameState(state: DatacenterState, other: DatacenterState): boolean {
  if (state === other) return true;
  return (
    state.datacenter === other.datacenter &&
    state.known === other.known &&
    state.connectOnly === other.connectOnly &&
    state.similar === other.similar &&
    sameItems(state.instances, other.instances) &&
    sameItems(state.absent ?? [], other.absent ?? []) &&
    sameMaps(state.filters, other.filters, sameSets) &&
    sameMaps(state.filterFailures, other.filterFailures, (one, next) => one.reason === next.reason)
  );
}

/**
 * Whether a filter holds nothing up: it is answered, or Consul refuses it. While nothing is in force yet, one that
 * could not be asked about holds nothing up either: its subset is empty until the answer comes, and the other subsets
 * serve.
 */
export function isFilterSettled(state: DatacenterState, filter: string, isFirst: boolean): boolean {
  if (state.filters.has(filter)) return true;
  const failure = state.filterFailures?.get(filter);
  return failure !== undefined && (failure.isRefused || isFirst);
}

/** The last attempt to read it failed, or nothing has come for too long. */
export function hasFailed(state: DatacenterState): boolean {
  return state.freshness.kind !== 'fresh' && state.freshness.reason !== undefined;
}
