import { peerOf } from '../../base/instances';
import { compileDestinations, failoverPlaces, findDestination } from '../destinations';
import type { DestinationDocument, LocalityDocument, PolicyDocument } from '../document';
import { type Destination, LOCAL_PLACE, type Lookup, type Plan, type SubsetPlan } from '../plan';
import { destinationsIn, readDestination, subsetName, type WrittenDestination } from './destination';
import { everywhereLookup, placeLookup } from './lookups';
import { addOtherSubset, type OtherPolicies } from './other-services';

type Failover = LocalityDocument['failover'];

/** What a plan looks up beside the service's own instances. */
export type PlannedLookups = Pick<Plan, 'peers' | 'elsewhere' | 'services'>;

/**
 * The destinations of a plan while it is compiled: own subsets, subsets of other services, either of them pinned to a
 * place. Adds the subsets of other services to `subsets`.
 */
export class PlannedDestinations {
  /** Both of every subset, then those that routes need beside them. */
  readonly all: Destination[];
  readonly #document: PolicyDocument;
  readonly #subsets: Map<string, SubsetPlan>;
  readonly #services: ReadonlySet<string>;
  /** Those that calls can get to without a `force`. */
  readonly #used = new Set<Destination>();
  readonly #special = new Map<string, Destination>();
  readonly #pins = new Set<string>();
  /** Subsets that some destination has a stand-in for, whatever their own fallback is. */
  readonly #stoodInFor = new Set<string>();

  constructor(document: PolicyDocument, subsets: Map<string, SubsetPlan>, policies: OtherPolicies | undefined) {
    this.#document = document;
    this.#subsets = subsets;
    const services = new Set<string>();
    for (const { to } of destinationsIn(document)) {
      const written = readDestination(to, document.service);
      const { service } = written;
      if (service === undefined) continue;
      services.add(service);
      addOtherSubset(subsetName(written, document), { ...written, service }, subsets, policies);
    }
    this.#services = services;
    this.all = [...compileDestinations(subsets)];
  }

  /** Where a route, or the policy's default, sends its calls. `failover`: that of the route. */
  to(to: DestinationDocument | undefined, strict: boolean, failover: Failover): Destination {
    const written = to === undefined ? DEFAULT : readDestination(to, this.#document.service);
    // Validation has seen to it that there is one.
    const plain = findDestination(this.all, subsetName(written, this.#document), strict) as Destination;
    const { place } = written;
    const fallback = strict ? undefined : written.fallback;
    const isPlain = place === undefined && failover === undefined && fallback === undefined;
    const destination = isPlain ? plain : this.#at(plain, place, failover, fallback);
    this.#used.add(destination);
    return destination;
  }

  /** An override holds its calls to the place by the decision's `datacenters`, which gives way where nobody is there. */
  overriding(to: DestinationDocument): { readonly destination: Destination; readonly place: string | undefined } {
    const written = readDestination(to, this.#document.service);
    const destination = findDestination(this.all, subsetName(written, this.#document), false) as Destination;
    this.#used.add(destination);
    const { place } = written;
    if (place !== undefined) this.#pins.add(JSON.stringify([this.#serviceOf(destination.subset), place]));
    return { destination, place };
  }

  /** Everything that the destinations asked for lead to. Call it when all have been asked for. */
  lookups(): PlannedLookups {
    const everywhere = new Set<string>();
    const places = new Map<string, Set<string>>();
    const add = (service: string, place: string): void => {
      places.set(service, (places.get(service) ?? new Set()).add(place));
    };
    const own = this.#document.service;
    const failover = failoverPlaces(this.#document.locality?.failover) ?? [];
    for (const place of failover) if (peerOf(place) !== undefined) add(own, place);
    for (const { chain, places: orders } of this.#used) {
      for (const [at, subset] of chain.entries()) {
        const service = this.#serviceOf(subset);
        const [first = LOCAL_PLACE, ...next] = orders?.[at] ?? [LOCAL_PLACE, ...failover];
        if (first === LOCAL_PLACE) everywhere.add(service);
        else add(service, first);
        // Datacenters of a failover count where the Graylane client looks anyhow.
        for (const place of next) if (peerOf(place) !== undefined) add(service, place);
      }
    }
    for (const pin of this.#pins) add(...(JSON.parse(pin) as [string, string]));
    const lookupsAt = (service: string): readonly Lookup[] =>
      [...(places.get(service) ?? [])].map((place) => placeLookup(service, place));
    const peers = lookupsAt(own);
    const elsewhere = [...this.#services].flatMap((service) => [
      ...(everywhere.has(service) ? [everywhereLookup(service)] : []),
      ...lookupsAt(service),
    ]);
    const all = new Map(elsewhere.map((lookup) => [lookup.key, lookup]));
    for (const [name, subset] of this.#subsets) {
      const { service, lookups = [] } = subset;
      if (service === undefined) continue;
      // The chain of another service says where its instances are; places that are asked for here come on top.
      const found = elsewhere.filter((each) => each.service === service && !(lookups.length > 0 && each.isEverywhere));
      const joined = new Map([...lookups, ...found].map((lookup) => [lookup.key, lookup]));
      for (const [key, lookup] of joined) all.set(key, lookup);
      const isStoodInFor = this.#stoodInFor.has(name);
      this.#subsets.set(name, { ...subset, lookups: [...joined.values()], ...(isStoodInFor && { isStoodInFor }) });
    }
    const wanted = new Set([...this.#subsets.values()].flatMap(({ lookups = [] }) => lookups.map(({ key }) => key)));
    return {
      ...(peers.length > 0 && { peers }),
      ...(this.#services.size > 0 && {
        elsewhere: [...all.values()].filter(({ key }) => wanted.has(key)),
        services: [...this.#services],
      }),
    };
  }

  #at(plain: Destination, place: string | undefined, failover: Failover, fallback: string | undefined): Destination {
    const key = JSON.stringify([plain.index, place, failover, fallback]);
    const known = this.#special.get(key);
    if (known !== undefined) return known;
    const next = failoverPlaces(failover);
    let pin = place;
    const ofService = plain.chain.map((subset) => {
      const order = placeOrder(pin, next);
      pin = this.#subsets.get(subset)?.fallbackPlace ?? pin;
      return order;
    });
    const standIns = fallback === undefined ? [] : (findDestination(this.all, fallback, false)?.chain ?? []);
    if (standIns.length > 0) for (const subset of plain.chain) this.#stoodInFor.add(subset);
    // A pin is of the service that was named: who stands in for it is where it always is.
    const chain = [...new Set([...plain.chain, ...standIns])];
    const places = chain.map((_, at) => ofService[at] ?? placeOrder(undefined, next));
    const hasPlaces = place !== undefined || failover !== undefined;
    const made = { ...plain, chain, index: this.all.length, ...(hasPlaces && { places }) };
    this.all.push(made);
    this.#special.set(key, made);
    return made;
  }

  #serviceOf(subset: string): string {
    return this.#subsets.get(subset)?.service ?? this.#document.service;
  }
}

const DEFAULT: WrittenDestination = { service: undefined, subset: undefined, place: undefined };

/** In which order places are tried; undefined: as `locality.failover` says. */
function placeOrder(pin: string | undefined, next: readonly string[] | undefined): readonly string[] | undefined {
  if (next === undefined) return pin === undefined ? undefined : [pin];
  return [pin ?? LOCAL_PLACE, ...next.filter((place) => place !== pin)];
}
