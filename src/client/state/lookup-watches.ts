import type { DatacenterState, SourceState } from '../../base/instances';
import { everywhereKey } from '../../policy/places/lookups';
import type { Lookup, Plan, SubsetPlan } from '../../policy/plan';
import type { Source, SourceWatch, WatchRequest } from '../discovery/source';
import { hasFailed, isFilterSettled } from './readiness';

interface HeldLookup {
  readonly watch: SourceWatch;
  filters: readonly string[];
}

/**
 * Watches what the subsets of a plan look up elsewhere than in the service's own instances. A lookup that the service's
 * own watch covers reads from it, so that a plan without lookups, and most plans with them, cost no further query.
 */
export class LookupWatches {
  readonly #source: Source;
  /** What the service's own watch asks for. */
  readonly #own: WatchRequest;
  readonly #onChange: () => void;
  readonly #held = new Map<string, HeldLookup>();
  readonly #states = new Map<string, readonly DatacenterState[]>();

  constructor(source: Source, own: WatchRequest, onChange: () => void) {
    this.#source = source;
    this.#own = own;
    this.#onChange = onChange;
  }

  /**
   * Follows the lookups of `plans` and no others. Answers with the filters that the service's own watch has to evaluate
   * for them. `own`: what that watch knows.
   */
  want(plans: readonly Plan[], own: SourceState): readonly string[] {
    const wanted = new Map<string, { readonly lookup: Lookup; readonly filters: Set<string> }>();
    const ownFilters = new Set<string>();
    for (const { lookup, subset } of plans.flatMap(pairsOf)) {
      const { filter } = subset;
      if (this.#covered(lookup, own) !== undefined) {
        if (filter !== undefined) ownFilters.add(filter);
        continue;
      }
      const entry = wanted.get(lookup.key) ?? { lookup, filters: new Set() };
      wanted.set(lookup.key, entry);
      if (filter !== undefined) entry.filters.add(filter);
    }
    for (const [key, { watch }] of this.#held) {
      if (wanted.has(key)) continue;
      watch.close();
      this.#held.delete(key);
      this.#states.delete(key);
    }
    for (const { lookup, filters } of wanted.values()) this.#follow(lookup, [...filters]);
    return [...ownFilters];
  }

  /** What is known of the lookups of `plans`; a lookup that was not answered in any way yet is missing. */
  states(plans: readonly Plan[], own: SourceState): ReadonlyMap<string, DatacenterState> {
    const states = new Map<string, DatacenterState>();
    for (const { lookup } of plans.flatMap(pairsOf)) {
      const covered = this.#covered(lookup, own);
      for (const state of covered === undefined ? (this.#states.get(lookup.key) ?? []) : [covered]) {
        const { key, isEverywhere } = lookup;
        states.set(isEverywhere === true ? everywhereKey(lookup, state.datacenter) : key, state);
      }
    }
    return states;
  }

  close(): void {
    for (const { watch } of this.#held.values()) watch.close();
    this.#held.clear();
    this.#states.clear();
  }

  #covered({ service, datacenter, askedDatacenter, scope }: Lookup, own: SourceState): DatacenterState | undefined {
    if (service !== this.#own.service) return undefined;
    // A list that was given may have instances of peers.
    const isPeer = scope['peer'] !== undefined;
    if (!isPeer && Object.keys(scope).length > 0) return undefined;
    return own.datacenters.find((state) => state.datacenter === (isPeer ? datacenter : askedDatacenter));
  }

  #follow(lookup: Lookup, filters: readonly string[]): void {
    const { key, service, askedDatacenter, scope, isEverywhere } = lookup;
    const known = this.#held.get(key);
    const { tags, port, datacenters } = this.#own;
    const request = {
      service,
      tags,
      // Another service's ports have names of their own.
      port: service === this.#own.service ? port : undefined,
      datacenters: askedDatacenter === undefined ? datacenters : [askedDatacenter],
      scope,
    };
    const held = known ?? {
      watch: this.#source.watch(request, (state) => {
        if (state.datacenters.length === 0) return;
        this.#states.set(key, isEverywhere === true ? state.datacenters : state.datacenters.slice(0, 1));
        this.#onChange();
      }),
      filters: [],
    };
    this.#held.set(key, held);
    if (filters.length === held.filters.length && filters.every((filter) => held.filters.includes(filter))) return;
    held.filters = filters;
    held.watch.setFilters(filters);
  }
}

function pairsOf(plan: Plan): readonly { readonly lookup: Lookup; readonly subset: SubsetPlan }[] {
  if (plan.lookups === undefined && plan.peers === undefined && plan.elsewhere === undefined) return [];
  return [...plan.subsets.values()].flatMap((subset) =>
    (subset.lookups ?? plan.peers ?? []).map((lookup) => ({ lookup, subset })),
  );
}

/**
 * The service's own places together with the peers of a plan, to judge whether enough is known: a peer is waited for
 * as another datacenter is.
 */
export function withPeers(own: SourceState, plan: Plan, states: ReadonlyMap<string, DatacenterState>): SourceState {
  if (plan.peers === undefined) return own;
  const others = plan.peers.filter(({ datacenter }) => own.datacenters.every((each) => each.datacenter !== datacenter));
  const peers = others.map(({ key, datacenter }) => ({ ...(states.get(key) ?? UNHEARD), datacenter }));
  return { datacenters: [...own.datacenters, ...peers] };
}

const UNHEARD: DatacenterState = {
  datacenter: '',
  local: false,
  known: false,
  instances: [],
  rejected: 0,
  connectOnly: false,
  filters: new Map(),
  freshness: { kind: 'pending' },
};

/**
 * Whether enough is known to send calls: what a plan looks up in its own datacenter has answered and an instance is
 * usable, or every lookup has answered or failed and at least one answered. Filters count as part of the answer.
 */
export function areLookupsKnown(plan: Plan, states: ReadonlyMap<string, DatacenterState>, isFirst: boolean): boolean {
  const lookups = plan.lookups ?? [];
  const own = lookups.filter(({ datacenter }) => datacenter === lookups[0]?.datacenter);
  const isAnswered = ({ key }: Lookup): boolean => {
    const state = states.get(key);
    return state?.known === true && filtersAt(plan, key).every((filter) => isFilterSettled(state, filter, isFirst));
  };
  const hasUsable = own.some(({ key }) => states.get(key)?.instances.some(({ status }) => status !== 'critical'));
  if (own.every(isAnswered) && hasUsable) return true;
  return (
    lookups.some(isAnswered) &&
    lookups.every((lookup) => isAnswered(lookup) || hasFailed(states.get(lookup.key) ?? UNHEARD))
  );
}

/** Why {@link areLookupsKnown} is false: `orders: instances not known from Consul (dc2: HTTP 500...)`. */
export function describeUnansweredLookups(plan: Plan, states: ReadonlyMap<string, DatacenterState>): readonly string[] {
  return (plan.lookups ?? [])
    .filter(({ key }) => states.get(key)?.known !== true)
    .map(({ key, service, datacenter }) => {
      const freshness = states.get(key)?.freshness;
      const reason = freshness === undefined || freshness.kind === 'fresh' ? undefined : freshness.reason;
      return `${service}: instances not known from Consul (${datacenter}: ${reason ?? 'no answer yet'})`;
    });
}

function filtersAt(plan: Plan, key: string): readonly string[] {
  const subsets = [...plan.subsets.values()].filter(({ lookups }) => lookups?.some((lookup) => lookup.key === key));
  return subsets.flatMap(({ filter }) => (filter === undefined ? [] : [filter]));
}
