import { peerPlace } from '../base/instances';
import type { LocalityDocument } from './document';
import type { Destination, Lookup, Plan, SubsetPlan } from './plan';

/**
 * Both destinations of every subset, the open one and then the strict one, so that `force` finds its own among them.
 * Fallbacks must not run in circles.
 */
export function compileDestinations(subsets: Plan['subsets']): readonly Destination[] {
  const destinations: Destination[] = [];
  for (const subset of subsets.keys()) {
    const chain: string[] = [];
    const pins: (readonly string[] | undefined)[] = [];
    let pin: string | undefined;
    for (let next: string | undefined = subset; next !== undefined; next = subsets.get(next)?.fallback) {
      chain.push(next);
      pins.push(pin === undefined ? undefined : [pin]);
      pin = subsets.get(next)?.fallbackPlace ?? pin;
    }
    const index = destinations.length;
    const isPinned = pins.some((places) => places !== undefined);
    destinations.push(
      { index, subset, strict: false, chain, ...(isPinned && { places: pins }) },
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

/** Everything that a plan looks up elsewhere than in the service's own datacenters. */
export function lookupsOf(plan: Pick<Plan, 'lookups' | 'peers' | 'elsewhere'>): readonly Lookup[] {
  const { lookups, peers = [], elsewhere = [] } = plan;
  return lookups ?? [...peers, ...elsewhere];
}

/** Whether calls that a subset cannot serve go to another one, so that its breaker has somebody to shed to. */
export function hasStandIn({ fallback, isStoodInFor }: Pick<SubsetPlan, 'fallback' | 'isStoodInFor'>): boolean {
  return fallback !== undefined || isStoodInFor === true;
}
