import { peerPlace } from '../base/instances';
import type { LocalityDocument } from './document';
import type { Destination, Lookup, Plan } from './plan';

/**
 * Both destinations of every subset, the open one and then the strict one, so that `force` finds its own among them.
 * Fallbacks must not run in circles.
 */
export function compileDestinations(fallbacks: ReadonlyMap<string, string | undefined>): readonly Destination[] {
  const destinations: Destination[] = [];
  for (const subset of fallbacks.keys()) {
    const chain: string[] = [];
    for (let next: string | undefined = subset; next !== undefined; next = fallbacks.get(next)) chain.push(next);
    destinations.push({ index: destinations.length, subset, strict: false, chain });
    destinations.push({ index: destinations.length, subset, strict: true, chain: [subset] });
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

/** What is looked up of a service for the peers of a failover order; undefined: there are none. */
export function peerLookups(service: string, failover: LocalityDocument['failover']): readonly Lookup[] | undefined {
  const lookups = (failover ?? []).flatMap((place) =>
    typeof place === 'string' ? [] : [peerLookup(service, place.peer)],
  );
  return lookups.length === 0 ? undefined : lookups;
}

function peerLookup(service: string, peer: string): Lookup {
  const datacenter = peerPlace(peer);
  const scope = { peer };
  return { key: JSON.stringify([service, datacenter, scope]), service, datacenter, askedDatacenter: undefined, scope };
}

/** Everything that a plan looks up elsewhere than in the service's own datacenters. */
export function lookupsOf({ lookups, peers }: Pick<Plan, 'lookups' | 'peers'>): readonly Lookup[] {
  return lookups ?? peers ?? [];
}
