import type { DatacenterState } from '../../base/instances';
import { foundBy } from '../../policy/places/lookups';
import { LOCAL_PLACE, type Lookup, type Plan } from '../../policy/plan';
import { hasFailed, isFilterSettled } from './readiness';

type States = ReadonlyMap<string, DatacenterState>;

/**
 * Whether enough is known of other services and of pinned places to send calls there. Each has answered or failed; of a
 * service in every datacenter the local one is enough where it has a usable instance.
 */
export function isElsewhereKnown(plan: Plan, states: States, isFirst: boolean): boolean {
  return awaited(plan).every((lookup) => isSettled(plan, lookup, states, isFirst));
}

/** Why {@link isElsewhereKnown} is false: `payments-v2: instances not known from Consul (dc1: HTTP 500...)`. */
export function describeUnknownElsewhere(plan: Plan, states: States, isFirst: boolean): readonly string[] {
  return awaited(plan)
    .filter((lookup) => !isSettled(plan, lookup, states, isFirst))
    .map((lookup) => {
      const { service, datacenter } = lookup;
      const unknown = foundBy(lookup, states).filter(({ known }) => !known);
      const reasons = unknown.map((state) => {
        const reason = state.freshness.kind === 'fresh' ? undefined : state.freshness.reason;
        return `${state.datacenter}: ${reason ?? 'no answer yet'}`;
      });
      const where = datacenter === '' ? '' : `${datacenter}: `;
      return `${service}: instances not known from Consul (${reasons.join('; ') || `${where}no answer yet`})`;
    });
}

function isSettled(plan: Plan, lookup: Lookup, states: States, isFirst: boolean): boolean {
  const found = foundBy(lookup, states);
  const filters = [...plan.subsets.values()].flatMap(({ service = plan.service, filter }) =>
    service === lookup.service && filter !== undefined ? [filter] : [],
  );
  const isAnswered = (state: DatacenterState): boolean =>
    state.known && filters.every((filter) => isFilterSettled(state, filter, isFirst));
  const [first] = found;
  if (first === undefined) return false;
  if (isAnswered(first) && first.instances.some(({ status }) => status !== 'critical')) return true;
  return found.every((state) => isAnswered(state) || (!state.known && hasFailed(state)));
}

/** All of other services, and of the plan's own the places that something is pinned to. */
function awaited({ peers, elsewhere = [], destinations, override }: Plan): readonly Lookup[] {
  if (peers === undefined) return elsewhere;
  const pins = new Set(destinations.flatMap(({ places = [] }) => places.map((order) => order?.[0] ?? LOCAL_PLACE)));
  for (const place of override?.decision.datacenters ?? []) pins.add(place);
  return [...elsewhere, ...peers.filter(({ datacenter }) => pins.has(datacenter))];
}
