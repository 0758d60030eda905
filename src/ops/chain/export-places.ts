import { defined } from '../../base/defined';
import { peerOf } from '../../base/instances';
import { DATACENTER_NAME, PEER_NAME, SERVICE_NAME } from '../../base/names';
import type { ChainGraph, ResolverNode } from '../../policy/chain/graph';
import { matchesNothing } from '../../policy/chain/match';
import { type ChainReport, fieldsOf } from '../../policy/chain/report';
import type { DestinationDocument, LocalityDocument, PeerDocument, SubsetDocument } from '../../policy/document';
import { ALL_INSTANCES, type Decision, type Destination, type Plan, type PlannedTier } from '../../policy/plan';
import { chooseOrder, describeTiers, pinOf, routeFailover, type WantedTiers, writtenTiers } from './failover-order';

type Failover = NonNullable<LocalityDocument['failover']>;

/** The resolvers of a chain as the destinations and the failover order of a document. */
export interface ExportedPlaces {
  /** Their fallbacks included. What is balanced otherwise is for the caller to add. */
  readonly subsets: Readonly<Record<string, SubsetDocument>>;
  readonly locality: LocalityDocument;
  /** Local first: what a Graylane client has to know for the failover to take place. */
  readonly datacenters: readonly string[];
  readonly fallsOver: boolean;
  /** Subsets of other services that calls may come to. */
  readonly others: readonly OtherSubset[];
  /** Subsets of the service itself that calls may come to, as the plan calls them. */
  readonly own: readonly string[];
  /** The document's name of an own subset. */
  nameOf(subset: string): string;
  /** Where a decision of a route leads; undefined when a document cannot lead there. */
  destinationOf(decision: Decision): DestinationDocument | undefined;
  /** What a route to these decisions says of failover; undefined where it needs not. */
  failoverOf(decisions: readonly Decision[]): Failover | undefined;
}

interface OtherSubset {
  readonly service: string;
  /** Undefined: its default. */
  readonly subset: string | undefined;
}

interface Place {
  readonly resolver: ResolverNode;
  /** Of the failover order, what a document can lead to. */
  readonly tiers: WantedTiers;
}

/**
 * A document has one order of datacenters and one fallback for each subset, and routes may have an order of their own.
 * A chain has a list for each resolver: what does not come out alike is reported. `unused`: subsets that no call goes to
 * yet.
 */
export function exportPlaces(
  plan: Plan,
  graph: ChainGraph,
  local: string,
  unused: Readonly<Record<string, SubsetDocument>>,
  report: ChainReport,
): ExportedPlaces {
  const groups = decisionGroups(plan);
  const places = usedPlaces(plan, graph, groups.flat(), report);
  const isOwn = (subset: string): boolean => otherOf(plan, subset) === undefined;
  const tiersOf = (decisions: readonly Decision[]): readonly WantedTiers[] => {
    const found = new Set(decisions.map(({ destination }) => places.get(destination)));
    return [...found].flatMap((place) => (place === undefined ? [] : [place.tiers]));
  };
  const order = chooseOrder(groups.map(tiersOf), local, isOwn);
  for (const { failover, differing } of groups.map((group) => routeFailover(tiersOf(group), order))) {
    for (const { resolver, tiers } of places.values()) {
      if (!differing.includes(tiers)) continue;
      const here = writtenTiers(tiers[0]?.subset ?? '', { place: pinOf(tiers, order), failover }, order);
      const what = `${describeTiers(tiers)} in the chain, ${describeTiers(here)} in the document`;
      report.cannot(`${resolver.path}.Failover`, what);
    }
  }
  const all = [...places.values()].flatMap(({ tiers }) => tiers);
  const used = new Set(all.map(({ subset }) => subset));
  const own = [...used].filter(isOwn);
  const hasUnused = Object.keys(unused).length > 0;
  const isBare = own.every((name) => name === ALL_INSTANCES && !order.fallbacks.has(name)) && !hasUnused;
  const nameOf = (subset: string): string => {
    if (subset !== ALL_INSTANCES || isBare) return subset;
    return used.has('all') || Object.hasOwn(unused, 'all') ? 'all-instances' : 'all';
  };
  const documentOf = (subset: string, place: string | undefined): DestinationDocument => {
    const other = otherOf(plan, subset);
    if (other === undefined && place === undefined) return nameOf(subset);
    const peer = place === undefined ? undefined : peerOf(place);
    // Without subsets there is a name for all of them alone, which no destination takes.
    const which = other ?? (isBare ? {} : { subset: nameOf(subset) });
    return defined({ ...which, datacenter: peer === undefined ? place : undefined, peer }) as DestinationDocument;
  };
  const subsetOf = (name: string): SubsetDocument => {
    const fallback = order.fallbacks.get(name);
    return defined({
      filter: plan.subsets.get(name)?.filter,
      fallback: fallback && documentOf(fallback.subset, fallback.place),
    });
  };
  const written = own.length === 0 && hasUnused ? [ALL_INSTANCES] : own;
  const visited = [local, ...order.failover, ...all.map(({ datacenter }) => datacenter)];
  return {
    subsets: isBare ? {} : { ...Object.fromEntries(written.map((name) => [nameOf(name), subsetOf(name)])), ...unused },
    locality: {
      failover: order.failover.map(placeDocument),
      ...(order.prefer === 'subset' ? {} : { prefer: order.prefer }),
    },
    datacenters: [...new Set(visited)].filter((name) => typeof placeDocument(name) === 'string'),
    fallsOver: [...places.values()].some(({ tiers }) => tiers.length > 1),
    others: [...used].flatMap((subset) => otherOf(plan, subset) ?? []),
    own,
    nameOf,
    destinationOf: ({ destination }) => {
      const tiers = places.get(destination)?.tiers;
      const first = tiers?.[0];
      return tiers === undefined || first === undefined ? undefined : documentOf(first.subset, pinOf(tiers, order));
    },
    failoverOf: (decisions) => routeFailover(tiersOf(decisions), order).failover?.map(placeDocument),
  };
}

/** Of the resolvers that decisions lead to, those whose first instances a document can name. The rest is reported. */
function usedPlaces(
  plan: Plan,
  graph: ChainGraph,
  decisions: readonly Decision[],
  report: ChainReport,
): ReadonlyMap<Destination, Place> {
  const used = new Set(decisions.map(({ destination }) => destination));
  const places = new Map<Destination, Place>();
  for (const [position, resolver] of graph.resolvers.entries()) {
    // Each resolver has an open and a strict destination, in the order of the graph.
    const destination = plan.destinations[2 * position];
    if (destination === undefined || !used.has(destination)) continue;
    const all = destination.tiers ?? [];
    const tiers = all.filter((tier) => isSayable(plan, tier));
    const [first] = all;
    if (first === undefined || !tiers.includes(first)) {
      const place = first === undefined ? 'nowhere' : `${first.subset} in ${first.datacenter}`;
      report.cannot(`${resolver.path}.Target`, `${place}; a document names services, datacenters and peers alone`);
      continue;
    }
    const left = all.filter((tier) => !tiers.includes(tier));
    if (left.length > 0) {
      report.cannot(
        `${resolver.path}.Failover`,
        `${describeTiers(left)} is left out; a document names services, datacenters and peers alone`,
      );
    }
    for (const target of [resolver.target, ...resolver.failover]) {
      if (fieldsOf(target.fields['Subset'])['OnlyPassing'] !== true) continue;
      report.cannot(`${target.path}.Subset.OnlyPassing`, 'instances with a warning serve too');
    }
    places.set(destination, { resolver, tiers });
  }
  return places;
}

/** What calls can meet, by route: routes that never match lead nowhere. Without routes, the default alone. */
export function decisionGroups(plan: Plan): readonly (readonly Decision[])[] {
  const routes = plan.routes.filter(({ match }) => !matchesNothing(match));
  return routes.length === 0
    ? [[plan.fallthrough]]
    : routes.map(({ split }) => split.entries.map(({ decision }) => decision));
}

/** A datacenter or a peer, of this service or of another. */
function isSayable(plan: Plan, { subset, datacenter }: PlannedTier): boolean {
  const lookup = plan.subsets.get(subset)?.lookups?.find((each) => each.datacenter === datacenter);
  if (lookup === undefined || !SERVICE_NAME.test(lookup.service)) return false;
  const peer = peerOf(datacenter);
  if (peer === undefined ? !DATACENTER_NAME.test(datacenter) : !PEER_NAME.test(peer)) return false;
  return Object.keys(lookup.scope).every((name) => name === 'peer');
}

/** The plan calls subsets of other services `orders/v2` and `orders/*`. Undefined for one of its own. */
function otherOf(plan: Plan, name: string): OtherSubset | undefined {
  const service = plan.subsets.get(name)?.lookups?.find((each) => each.service !== plan.service)?.service;
  if (service === undefined) return undefined;
  const subset = name.slice(service.length + 1);
  return { service, subset: subset === ALL_INSTANCES ? undefined : subset };
}

/** A place of a chain as a document names it in its failover order. */
function placeDocument(place: string): string | PeerDocument {
  const peer = peerOf(place);
  return peer === undefined ? place : { peer };
}
