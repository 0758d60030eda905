import { peerPlace } from '../base/peer-place';
import type { LocalityDocument } from './document';
import type { Lookup, Plan } from './plan';

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
