import { defined } from '../../base/defined';
import { peerOf } from '../../base/instances';
import type { ChainGraph, ResolverNode } from '../../policy/chain/graph';
import { matchesNothing } from '../../policy/chain/match';
import { type ChainReport, fieldsOf } from '../../policy/chain/report';
import type { LocalityDocument, PeerDocument, SubsetDocument } from '../../policy/document';
import { ALL_INSTANCES, type Decision, type Destination, type Plan, type PlannedTier } from '../../policy/plan';

/** The resolvers of a chain as the subsets and the one failover order of a document. */
export interface ExportedPlaces {
  readonly subsets: Readonly<Record<string, SubsetDocument>>;
  readonly locality: LocalityDocument;
  /** Local first: what a Graylane client has to know for the failover to take place. */
  readonly datacenters: readonly string[];
  readonly fallsOver: boolean;
  /** Name of a decision's subset in the document; undefined when a document cannot lead there. */
  nameOf(decision: Decision): string | undefined;
}

interface Place {
  readonly resolver: ResolverNode;
  readonly destination: Destination;
  /** Of the failover order, what a document can lead to. */
  readonly tiers: readonly PlannedTier[];
}

/**
 * A document has one order of datacenters and one fallback for each subset; a chain has a list for each resolver.
 * Whatever does not come out alike is reported. `unused`: subsets that no call goes to yet.
 */
export function exportPlaces(
  plan: Plan,
  graph: ChainGraph,
  local: string,
  unused: Readonly<Record<string, SubsetDocument>>,
  report: ChainReport,
): ExportedPlaces {
  const places = usedPlaces(plan, graph, report);
  const datacenters = [local];
  const fallbacks = new Map<string, string>();
  const chainOf = (first: string): readonly string[] => {
    const chain: string[] = [];
    for (let next: string | undefined = first; next !== undefined; next = fallbacks.get(next)) chain.push(next);
    return chain;
  };
  for (const { tiers } of places) {
    for (const { datacenter } of tiers) if (!datacenters.includes(datacenter)) datacenters.push(datacenter);
    const chain = [...new Set(tiers.map(({ subset }) => subset))];
    for (const [index, subset] of chain.entries()) {
      const next = chain[index + 1];
      if (next !== undefined && !fallbacks.has(subset) && !chainOf(next).includes(subset)) fallbacks.set(subset, next);
    }
  }
  /** The failover order that a document gives a subset. */
  const inDocument = ({ subset: first }: Destination, prefer: 'subset' | 'datacenter'): string => {
    const chain = chainOf(first);
    const tiers =
      prefer === 'subset'
        ? chain.flatMap((subset) => datacenters.map((datacenter) => ({ subset, datacenter })))
        : datacenters.flatMap((datacenter) => chain.map((subset) => ({ subset, datacenter })));
    return describeTiers(tiers);
  };
  const differing = (prefer: 'subset' | 'datacenter'): readonly Place[] =>
    places.filter(({ destination, tiers }) => inDocument(destination, prefer) !== describeTiers(tiers));
  const prefer = differing('datacenter').length < differing('subset').length ? 'datacenter' : 'subset';
  for (const { resolver, destination, tiers } of differing(prefer)) {
    const field = tiers[0]?.datacenter === local ? 'Failover' : 'Target';
    const here = inDocument(destination, prefer);
    report.cannot(`${resolver.path}.${field}`, `${describeTiers(tiers)} in the chain, ${here} in the document`);
  }
  const used = new Set(places.flatMap(({ tiers }) => tiers.map(({ subset }) => subset)));
  const isOnlyAll = used.size === 1 && used.has(ALL_INSTANCES) && Object.keys(unused).length === 0;
  const nameOf = (subset: string): string => {
    if (subset !== ALL_INSTANCES || isOnlyAll) return subset;
    return used.has('all') || Object.hasOwn(unused, 'all') ? 'all-instances' : 'all';
  };
  const leads = new Set(places.map(({ destination }) => destination));
  return {
    subsets: isOnlyAll
      ? {}
      : { ...Object.fromEntries([...used].map((name) => [nameOf(name), subsetOf(name)])), ...unused },
    locality: { failover: datacenters.slice(1).map(placeDocument), ...(prefer === 'subset' ? {} : { prefer }) },
    datacenters: datacenters.filter((name) => typeof placeDocument(name) === 'string'),
    fallsOver: places.some(({ tiers }) => tiers.length > 1),
    nameOf: ({ destination }) => (leads.has(destination) ? nameOf(destination.subset) : undefined),
  };

  function subsetOf(name: string): SubsetDocument {
    const fallback = fallbacks.get(name);
    return defined({ filter: plan.subsets.get(name)?.filter, fallback: fallback && nameOf(fallback) });
  }
}

/** Of the resolvers that decisions lead to, those that begin within the service. The rest is reported. */
function usedPlaces(plan: Plan, graph: ChainGraph, report: ChainReport): readonly Place[] {
  const decisions = decisionsOf(plan);
  const used = new Set(decisions.map(({ destination }) => destination));
  return graph.resolvers.flatMap((resolver, position): readonly Place[] => {
    // Each resolver has an open and a strict destination, in the order of the graph.
    const destination = plan.destinations[2 * position];
    if (destination === undefined || !used.has(destination)) return [];
    const all = destination.tiers ?? [];
    const tiers = all.filter((tier) => isOwn(plan, tier));
    const [first] = all;
    if (first === undefined || !tiers.includes(first) || peerOf(first.datacenter) !== undefined) {
      const place = first === undefined ? 'nowhere' : `${first.subset} in ${first.datacenter}`;
      report.cannot(`${resolver.path}.Target`, `${place}; a document leads to instances of its own service`);
      return [];
    }
    const left = all.filter((tier) => !tiers.includes(tier));
    if (left.length > 0) {
      report.cannot(
        `${resolver.path}.Failover`,
        `${describeTiers(left)} is left out; a document has instances of its own service`,
      );
    }
    for (const target of [resolver.target, ...resolver.failover]) {
      if (fieldsOf(target.fields['Subset'])['OnlyPassing'] !== true) continue;
      report.cannot(`${target.path}.Subset.OnlyPassing`, 'instances with a warning serve too');
    }
    return [{ resolver, destination, tiers }];
  });
}

/** What calls can meet: routes that never match lead nowhere. */
export function decisionsOf(plan: Plan): readonly Decision[] {
  const routes = plan.routes.filter(({ match }) => !matchesNothing(match));
  return [plan.fallthrough, ...routes.flatMap(({ split }) => split.entries.map((each) => each.decision))];
}

function isOwn(plan: Plan, { subset, datacenter }: PlannedTier): boolean {
  const lookup = plan.subsets.get(subset)?.lookups?.find((each) => each.datacenter === datacenter);
  if (lookup === undefined || lookup.service !== plan.service) return false;
  // A peer can follow, and nothing else that is not a datacenter of the Graylane client.
  return Object.keys(lookup.scope).every((name) => name === 'peer');
}

/** A place of a chain as a document names it in its failover order. */
function placeDocument(place: string): string | PeerDocument {
  const peer = peerOf(place);
  return peer === undefined ? place : { peer };
}

function describeTiers(tiers: readonly PlannedTier[]): string {
  return tiers.map(({ subset, datacenter }) => `${subset} in ${datacenter}`).join(', ');
}
