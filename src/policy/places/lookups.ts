import { type DatacenterState, peerOf } from '../../base/instances';
import type { Lookup } from '../plan';

/** A service in one place: a datacenter, or `peer name`. */
export function placeLookup(service: string, place: string): Lookup {
  const peer = peerOf(place);
  const scope = peer === undefined ? {} : { peer };
  const key = JSON.stringify([service, place, scope]);
  return { key, service, datacenter: place, askedDatacenter: peer === undefined ? place : undefined, scope };
}

/** A service in every datacenter of the Graylane client. What is found has keys that begin with this one's. */
export function everywhereLookup(service: string): Lookup {
  return {
    key: `${JSON.stringify(service)} in `,
    service,
    datacenter: '',
    askedDatacenter: undefined,
    scope: {},
    isEverywhere: true,
  };
}

/** The key of what such a lookup has found in a datacenter. */
export function everywhereKey({ key }: Lookup, datacenter: string): string {
  return `${key}${datacenter}`;
}

/** What a lookup has found: one state, or that of each datacenter, local first. Their names are those that tiers use. */
export function foundBy(
  { key, datacenter, isEverywhere }: Lookup,
  states: ReadonlyMap<string, DatacenterState> | undefined,
): readonly DatacenterState[] {
  if (states === undefined) return [];
  if (isEverywhere === true) return [...states].flatMap(([each, state]) => (each.startsWith(key) ? state : []));
  const state = states.get(key);
  return state === undefined ? [] : [{ ...state, datacenter }];
}
