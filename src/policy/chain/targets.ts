import { peerPlace } from '../../base/instances';
import { resolveBreaker, resolveSubsetBreaker } from '../defaults';
import { ALL_INSTANCES, type BalancingPlan, type Lookup, type PlannedTier, type SubsetPlan } from '../plan';
import type { ChainTarget } from './graph';
import { type ChainReport, fieldsOf, isSet, textOf } from './report';

const TARGET_FIELDS: readonly string[] = [
  'ID',
  'Service',
  'ServiceSubset',
  'Namespace',
  'Partition',
  'Datacenter',
  'Peer',
  'Subset',
  'ConnectTimeout',
  'MeshGateway',
  'External',
  'TransparentProxy',
  'SNI',
  'Name',
  'Locality',
  'PrioritizeByLocality',
];
const SUBSET_FIELDS: readonly string[] = ['Filter', 'OnlyPassing'];
const DIRECT_MODES: readonly unknown[] = [undefined, '', 'none', 'default'];

/**
 * The targets of one chain as subsets: targets that differ only in their datacenter are one subset with several
 * lookups, so that going on to the next datacenter is no change of subset.
 */
export class TargetSubsets {
  readonly #service: string;
  readonly #datacenter: string;
  readonly #report: ChainReport;
  readonly #subsets = new Map<string, SubsetDraft>();
  readonly #tiers = new Map<string, PlannedTier>();

  /** `datacenter`: where the chain was compiled. */
  constructor(service: string, datacenter: string, report: ChainReport) {
    this.#service = service;
    this.#datacenter = datacenter;
    this.#report = report;
  }

  /** Where calls for the target go. `balancing` is its own, or that of the target that it replaces. */
  tierOf(target: ChainTarget, balancing: BalancingPlan | undefined): PlannedTier {
    const known = this.#tiers.get(target.id);
    if (known !== undefined) return known;
    const lookup = this.#lookupOf(target);
    const name = this.#nameOf(target, lookup);
    const rules = fieldsOf(target.fields['Subset']);
    const filter = textOf(rules['Filter']);
    const draft = this.#subsets.get(name) ?? {
      filter,
      onlyPassing: rules['OnlyPassing'] === true,
      balancing,
      lookups: new Map<string, Lookup>(),
    };
    this.#subsets.set(name, draft);
    draft.lookups.set(lookup.key, lookup);
    this.#reportFields(target);
    const tier = { subset: name, datacenter: lookup.datacenter };
    this.#tiers.set(target.id, tier);
    return tier;
  }

  subsets(): ReadonlyMap<string, SubsetPlan> {
    return new Map([...this.#subsets].map(([name, draft]) => [name, subsetPlan(name, draft)]));
  }

  lookups(): readonly Lookup[] {
    const all = [...this.#subsets.values()].flatMap(({ lookups }) => [...lookups.values()]);
    return [...new Map(all.map((lookup) => [lookup.key, lookup])).values()];
  }

  #lookupOf({ service, fields }: ChainTarget): Lookup {
    const peer = textOf(fields['Peer']);
    const scope = {
      ...named('ns', fields['Namespace']),
      ...named('partition', fields['Partition']),
      ...(peer === undefined ? {} : { peer }),
    };
    const askedDatacenter = peer === undefined ? (textOf(fields['Datacenter']) ?? this.#datacenter) : this.#datacenter;
    const datacenter = peer === undefined ? askedDatacenter : peerPlace(peer);
    return { key: JSON.stringify([service, datacenter, scope]), service, datacenter, askedDatacenter, scope };
  }

  /** `v2` and `*` of the service itself, `orders/v2` and `orders/*` of another. */
  #nameOf({ service, fields }: ChainTarget, { scope }: Lookup): string {
    const subset = textOf(fields['ServiceSubset']) ?? ALL_INSTANCES;
    const elsewhere = Object.entries(scope).filter(([name]) => name !== 'peer');
    const own = service === this.#service ? subset : `${service}/${subset}`;
    return elsewhere.length === 0 ? own : `${own} (${elsewhere.map(([name, value]) => `${name} ${value}`).join(', ')})`;
  }

  #reportFields({ path, fields }: ChainTarget): void {
    this.#report.unknown(path, fields, TARGET_FIELDS);
    const rules = fieldsOf(fields['Subset']);
    this.#report.unknown(`${path}.Subset`, rules, SUBSET_FIELDS);
    const mode = fieldsOf(fields['MeshGateway'])['Mode'];
    if (!DIRECT_MODES.includes(mode)) {
      this.#report.cannot(
        `${path}.MeshGateway.Mode`,
        `${String(mode)}; instances are called directly, not by a gateway`,
      );
    }
    if (isSet(fields['PrioritizeByLocality'])) {
      this.#report.cannot(
        `${path}.PrioritizeByLocality`,
        'zones play no part in a chain; a document has locality.zones',
      );
    }
    if (fields['External'] === true) {
      this.#report.cannot(
        `${path}.External`,
        'the SNI of an external service is not set: TLS names belong to the channel',
      );
    }
    if (isSet(fieldsOf(fields['TransparentProxy']))) {
      this.#report.cannot(`${path}.TransparentProxy`, 'there is no proxy here');
    }
  }
}

interface SubsetDraft {
  readonly filter: string | undefined;
  readonly onlyPassing: boolean;
  readonly balancing: BalancingPlan | undefined;
  readonly lookups: Map<string, Lookup>;
}

function subsetPlan(name: string, { filter, onlyPassing, balancing, lookups }: SubsetDraft): SubsetPlan {
  return {
    name,
    tags: [],
    meta: {},
    filter,
    fallback: undefined,
    fallbackMaxPercentage: 100,
    breaker: resolveBreaker(),
    subsetBreaker: resolveSubsetBreaker(),
    lookups: [...lookups.values()],
    onlyPassing,
    ...(balancing === undefined ? {} : { balancing }),
  };
}

/** Community servers refuse to be asked for a namespace or a partition, and have only the default ones. */
function named(parameter: string, value: unknown): Record<string, string> {
  const name = textOf(value);
  return name === undefined || name === 'default' ? {} : { [parameter]: name };
}
