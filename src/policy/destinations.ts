import { peerPlace } from '../base/instances';
import type { LocalityDocument } from './document';
import type { Destination, Lookup, Plan } from './plan';

/**
 * Both destinations of every subset, the open one and then the strict one, so that `force` finds its own among them.
 * Fallbacks must not run in circles.
 */
export function compileDestinations(subsets: Plan['subsets']): readonly Destination[] {
  const destinations: Destination[] = [];
  for (const subset of subsets.keys()) {
    const chain: string[] = [];
    for (let next: string | undefined = subset; next !== undefined; next = subsets.get(next)?.fallback)
      chain.push(next);
    const index = destinations.length;
    destinations.push(
      { index, subset, strict: false, chain },
      { index: index + 1, subset, strict: true, chain: [subset] },
    );
  }
  return destinations;
}

export function findDestination(
  destinations: readonly Destination[],
  subset: string,
  strict: boolean,
): Destination | undefined {
  return destinations.find((destination) => destination.subset === subset && destination.strict === strict);
}

/** The places of a failover order, as tiers name them. */
export function failoverPlaces(failover: LocalityDocument['failover']): readonly string[] | undefined {
  return failover?.map((place) => (typeof place === 'string' ? place : peerPlace(place.peer)));
}

/** What is looked up of a service for the peers of a failover order. */
export function peerLookups(service: string, failover: NonNullable<LocalityDocument['failover']>): readonly Lookup[] {
  const lookups: Lookup[] = [];
  for (const place of failover) {
    if (typeof place === 'string') continue;
    const scope = { peer: place.peer };
    const datacenter = peerPlace(place.peer);
    const key = JSON.stringify([service, datacenter, scope]);
    lookups.push({ key, service, datacenter, askedDatacenter: undefined, scope });
  }
  return lookups;
}

/** Everything that a plan looks up elsewhere than in the service's own datacenters. */
export function lookupsOf({ lookups, peers }: Pick<Plan, 'lookups' | 'peers'>): readonly Lookup[] {
  return lookups ?? peers ?? [];
}
