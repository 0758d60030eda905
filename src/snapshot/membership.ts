import type { FilterFailure, Instance } from '../discovery/source';
import type { Plan, SubsetPlan } from '../policy/plan';
import type { InstanceSet } from './snapshot';

/** The instances of one subset in one datacenter. */
interface Group {
  readonly subset: string;
  readonly datacenter: string;
  /** Those that may take calls: not critical, weight above 0. */
  readonly usable: readonly Instance[];
  /** Known, and out of service. */
  readonly unusable: readonly Instance[];
}

/** A plan's subsets filled with the instances of an instance set. */
export interface Membership {
  readonly datacenters: readonly string[];
  /** `undefined` when the subset has nobody there. */
  group(subset: string, datacenter: string): Group | undefined;
  readonly groups: readonly Group[];
  /** Kept as the last resort of the subset there, see `DatacenterState.absent`. */
  absent(subset: string, datacenter: string): readonly Instance[];
  readonly isAnyAbsent: boolean;
  /** Why a member of the subset may take none of its calls; undefined: it may. */
  whyUnusable(subset: string, instance: Instance): string | undefined;
  /** Whether an instance that is not listed any more belonged to the subset, as far as its tags and meta tell. */
  wouldTake(subset: string, instance: Instance): boolean;
  /** Why the subset is empty there although nobody knows who is in it: its filter has no answer. */
  filterFailure(subset: string, datacenter: string): FilterFailure | undefined;
  /** Where the service is there only behind Connect proxies, which nothing here speaks to. */
  readonly connectOnly: readonly string[];
  /** All that are listed there, in whatever subset or none. */
  listed(datacenter: string): readonly Instance[];
  /** Nobody is listed anywhere, and this name of another service is near. */
  readonly similar: string | undefined;
  /** In no subset: gets no calls while the policy is in force. */
  readonly unassigned: readonly Instance[];
  /** In more than one subset. */
  readonly shared: readonly Instance[];
}

const NO_FILTERS: ReadonlyMap<string, ReadonlySet<string>> = new Map();
const NOBODY: readonly Instance[] = [];
const cache = new WeakMap<InstanceSet, WeakMap<Plan, Membership>>();

/**
 * Joins a plan with an instance set. Remembered for as long as both live, so that the channels of a lane share one join
 * and a call that began under an older plan finds that plan's subsets over today's instances.
 */
export function membershipOf(plan: Plan, instances: InstanceSet): Membership {
  let plans = cache.get(instances);
  if (plans === undefined) {
    plans = new WeakMap();
    cache.set(instances, plans);
  }
  let membership = plans.get(plan);
  if (membership === undefined) {
    membership = join(plan, instances);
    plans.set(plan, membership);
  }
  return membership;
}

function join(plan: Plan, instances: InstanceSet): Membership {
  const rules = [...plan.subsets.values()].map(ruleOf);
  const byName = new Map(rules.map((rule) => [rule.name, rule]));
  const unfiltered = new Map(rules.map((rule) => [rule.name, { ...rule, filter: undefined }]));
  const places = placesOf(plan, rules, instances);
  const groups = new Map<string, Group>();
  const absences = new Map<string, Instance[]>();
  const unassigned: Instance[] = [];
  const shared: Instance[] = [];
  const failures = new Map<string, FilterFailure>();
  for (const { datacenter, instances: listed, absent = [], filters, filterFailures, rules: applied } of places) {
    for (const rule of applied) {
      const failure = rule.filter === undefined ? undefined : filterFailures?.get(rule.filter);
      if (failure !== undefined && rule.filter !== undefined && !filters.has(rule.filter)) {
        failures.set(groupKey(rule.name, datacenter), failure);
      }
      const members = absent.filter((instance) => isMember(rule, instance, filters));
      if (members.length > 0) absences.set(groupKey(rule.name, datacenter), members);
    }
    const usable = new Map<string, Instance[]>();
    const unusable = new Map<string, Instance[]>();
    for (const instance of listed) {
      let memberships = 0;
      for (const rule of applied) {
        if (!isMember(rule, instance, filters)) continue;
        memberships += 1;
        const side = whyUnusable(instance, rule) === undefined ? usable : unusable;
        const members = side.get(rule.name);
        if (members === undefined) side.set(rule.name, [instance]);
        else members.push(instance);
      }
      if (memberships === 0) unassigned.push(instance);
      else if (memberships > 1) shared.push(instance);
    }
    for (const subset of new Set([...usable.keys(), ...unusable.keys()])) {
      groups.set(groupKey(subset, datacenter), {
        subset,
        datacenter,
        usable: usable.get(subset) ?? [],
        unusable: unusable.get(subset) ?? [],
      });
    }
  }
  unassigned.push(...passedOver(plan, instances));
  return {
    datacenters: [...new Set(places.map((place) => place.datacenter))],
    group: (subset, datacenter) => groups.get(groupKey(subset, datacenter)),
    groups: [...groups.values()],
    isAnyAbsent: absences.size > 0,
    absent: (subset, datacenter) => absences.get(groupKey(subset, datacenter)) ?? NOBODY,
    whyUnusable: (subset, instance) => {
      const rule = byName.get(subset);
      return rule === undefined ? 'no such subset' : whyUnusable(instance, rule);
    },
    wouldTake: (subset, instance) => {
      const rule = unfiltered.get(subset);
      // Of a lookup only the answer tells, and it is gone: better not to count one as lost that belonged elsewhere.
      if (rule === undefined || rule.lookups !== undefined) return false;
      return isMember(rule, instance, NO_FILTERS);
    },
    listed: (datacenter) => places.flatMap((place) => (place.datacenter === datacenter ? place.instances : [])),
    similar: places.every((place) => place.instances.length === 0)
      ? places.find((place) => place.similar !== undefined)?.similar
      : undefined,
    filterFailure: (subset, datacenter) => failures.get(groupKey(subset, datacenter)),
    connectOnly: places.filter((place) => place.connectOnly).map((place) => place.datacenter),
    unassigned,
    shared,
  };
}

interface Rule {
  readonly name: string;
  readonly tags: readonly string[];
  readonly meta: readonly (readonly [string, string])[];
  readonly filter: string | undefined;
  readonly onlyPassing: boolean;
  readonly lookups: ReadonlySet<string> | undefined;
}

function ruleOf({ name, tags, meta, filter, onlyPassing, lookups }: SubsetPlan): Rule {
  return {
    name,
    tags,
    meta: Object.entries(meta),
    filter,
    onlyPassing: onlyPassing === true,
    lookups: lookups === undefined ? undefined : new Set(lookups.map(({ key }) => key)),
  };
}

/** Instances that were found in one place, and the subsets that look for theirs there. */
interface Place {
  readonly datacenter: string;
  readonly instances: readonly Instance[];
  readonly absent?: readonly Instance[];
  readonly filters: ReadonlyMap<string, ReadonlySet<string>>;
  readonly filterFailures?: ReadonlyMap<string, FilterFailure>;
  readonly connectOnly: boolean;
  readonly similar?: string;
  readonly rules: readonly Rule[];
}

function placesOf(plan: Plan, rules: readonly Rule[], set: InstanceSet): readonly Place[] {
  if (plan.lookups === undefined) return set.datacenters.map((state) => ({ ...state, rules }));
  return plan.lookups.flatMap(({ key, datacenter }) => {
    const state = set.lookups?.get(key);
    if (state === undefined) return [];
    return [{ ...state, datacenter, rules: rules.filter((rule) => rule.lookups?.has(key)) }];
  });
}

/** Of a service whose plan looks elsewhere: those that no lookup finds. */
function passedOver({ lookups }: Plan, set: InstanceSet): readonly Instance[] {
  if (lookups === undefined) return [];
  const found = new Set(lookups.flatMap(({ key }) => set.lookups?.get(key)?.instances ?? []));
  return set.datacenters.flatMap(({ instances }) => instances.filter((instance) => !found.has(instance)));
}

function whyUnusable({ status, weight }: Instance, { onlyPassing }: Rule): string | undefined {
  if (status === 'critical') return 'critical in Consul';
  if (weight <= 0) return 'weight 0';
  if (onlyPassing && status !== 'passing') return `${status} in Consul, and the subset is OnlyPassing`;
  return undefined;
}

function isMember(rule: Rule, instance: Instance, filters: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  for (const tag of rule.tags) if (!instance.tags.includes(tag)) return false;
  for (const [key, value] of rule.meta) {
    if (!Object.hasOwn(instance.meta, key) || instance.meta[key] !== value) return false;
  }
  return rule.filter === undefined || filters.get(rule.filter)?.has(instance.key) === true;
}

function groupKey(subset: string, datacenter: string): string {
  return `${datacenter}\n${subset}`;
}
