import type { FilterFailure, Instance } from '../../base/instances';
import { isLaneSubset } from '../lanes/lane-plan';
import type { LaneTable } from '../lanes/lane-table';
import { laneOf } from '../lanes/lane-values';
import { foundBy } from '../places/lookups';
import type { Plan, SubsetPlan } from '../plan';
import { atPort, isAtPort } from './at-port';
import { LaneFinder } from './lane-finder';
import { type InstanceSet, instancesOf } from './snapshot';

/** The instances of one subset, or of one lane, in one datacenter. */
interface Group {
  readonly subset: string;
  /** Of a lane. */
  readonly isLane: boolean;
  readonly datacenter: string;
  /** Those that are to take calls: not critical, weight above 0. */
  readonly usable: readonly Instance[];
  /** Known, and out of service. */
  readonly unusable: readonly Instance[];
  /**
   * Those of them that are well and have weight 0: they take calls where no other instance of the failover order can.
   */
  readonly draining: readonly Instance[];
}

/** A plan's subsets filled with the instances of an instance set. */
export interface Membership {
  /** All places, the client's local datacenter first. */
  readonly datacenters: readonly string[];
  /** Those of them that calls go to which no destination and no failover sends elsewhere. */
  readonly reach: readonly string[];
  /** `undefined` when the subset has no instance there. */
  group(subset: string, datacenter: string): Group | undefined;
  readonly groups: readonly Group[];
  /** The lanes that have instances; undefined for a plan without lanes. */
  readonly lanes: LaneTable | undefined;
  /** The plan's, or the one that stands for a lane. */
  subset(name: string): SubsetPlan | undefined;
  /** Kept as the last resort of the subset there, see `DatacenterState.absent`. */
  absent(subset: string, datacenter: string): readonly Instance[];
  readonly isAnyAbsent: boolean;
  readonly isAnyDraining: boolean;
  /** Why a member of the subset may take none of its calls; undefined: it may. */
  whyUnusable(subset: string, instance: Instance): string | undefined;
  /** Whether an instance that is not listed any more belonged to the subset, as far as its tags and meta tell. */
  wouldTake(subset: string, instance: Instance): boolean;
  /** Why the subset is empty there although its members are not known: its filter has no answer. */
  filterFailure(subset: string, datacenter: string): FilterFailure | undefined;
  /** Where the service is there only behind Connect proxies, which nothing here speaks to. */
  readonly connectOnly: readonly string[];
  /** All that are listed there of the service of a subset, in whatever subset or none. Default: the plan's service. */
  listed(datacenter: string, subset?: string): readonly Instance[];
  /** No instance is listed anywhere, and this name of another service is near. */
  readonly similar: string | undefined;
  /** No listed instance can be dialled, and this is why one of them cannot. */
  readonly fault: string | undefined;
  /** In no subset: gets no calls while the policy is in force. */
  readonly unassigned: readonly Instance[];
  /** In more than one subset. */
  readonly shared: readonly Instance[];
}

const NO_FILTERS: ReadonlyMap<string, ReadonlySet<string>> = new Map();
const NO_INSTANCES: readonly Instance[] = [];
const cache = new WeakMap<InstanceSet, WeakMap<Plan, Membership>>();
/** Of instances that a plan looked up elsewhere: the service that they are of. */
const serviceOf = new WeakMap<Instance, string>();

/**
 * Joins a plan with an instance set. Remembered for as long as both live, so that the channels of a client share one
 * join and a call that began under an older plan finds that plan's subsets over today's instances.
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
  const groups = new Map<string, Group & Record<'usable' | 'unusable' | 'draining', Instance[]>>();
  const absences = new Map<string, Instance[]>();
  const unassigned: Instance[] = [];
  const shared: Instance[] = [];
  const failures = new Map<string, FilterFailure>();
  const datacenters = [...new Set(places.map((place) => place.datacenter))];
  const reach = plan.lookups === undefined ? instances.datacenters : places;
  const reachOf = [...new Set(reach.map(({ datacenter }) => datacenter))];
  const laneFinder =
    plan.lanes === undefined ? undefined : new LaneFinder(plan, plan.lanes, { datacenters, reach: reachOf });
  const add = (subset: string, datacenter: string, member: Instance, why: string | undefined): void => {
    const key = groupKey(subset, datacenter);
    const isLane = laneFinder !== undefined && isLaneSubset(subset);
    const group = groups.get(key) ?? { subset, isLane, datacenter, usable: [], unusable: [], draining: [] };
    groups.set(key, group);
    (why === undefined ? group.usable : group.unusable).push(member);
    if (why === WEIGHT_0) group.draining.push(member);
  };
  for (const place of places) {
    const { datacenter, instances: listed, absent = [], filters, filterFailures, rules: applied, service } = place;
    for (const rule of applied) {
      const failure = rule.filter === undefined ? undefined : filterFailures?.get(rule.filter);
      if (failure !== undefined && rule.filter !== undefined && !filters.has(rule.filter)) {
        failures.set(groupKey(rule.name, datacenter), failure);
      }
      const members = absent.flatMap((instance) => {
        if (service === undefined && !rule.takesLanes && laneFinder?.laneOf(instance) !== undefined) return [];
        return memberOf(rule, instance, filters) ?? [];
      });
      if (members.length > 0) absences.set(groupKey(rule.name, datacenter), members);
    }
    for (const instance of listed) {
      let memberships = 0;
      const lane = service === undefined ? laneFinder?.laneOf(instance) : undefined;
      const inLane = lane && atPort(instance, lane.port);
      if (lane !== undefined && inLane !== undefined) {
        laneFinder?.add(lane, datacenter);
        add(lane.subset, datacenter, inLane, whyUnusable(instance));
      }
      for (const rule of applied) {
        if (lane !== undefined && !rule.takesLanes) continue;
        const member = memberOf(rule, instance, filters);
        if (member === undefined) continue;
        if (service !== undefined) serviceOf.set(member, service);
        memberships += 1;
        add(rule.name, datacenter, member, whyUnusable(instance, rule));
      }
      // Of another service that is for its own policy to say.
      if (service !== undefined) continue;
      if (memberships > 1) shared.push(instance);
      else if (memberships === 0 && inLane === undefined) unassigned.push(instance);
    }
    for (const instance of laneFinder === undefined || service !== undefined ? [] : absent) {
      const lane = laneFinder?.laneOf(instance);
      const member = lane && atPort(instance, lane.port);
      if (lane === undefined || member === undefined) continue;
      laneFinder?.add(lane, datacenter);
      const key = groupKey(lane.subset, datacenter);
      absences.set(key, [...(absences.get(key) ?? []), member]);
    }
  }
  const lanes = laneFinder?.table();
  unassigned.push(...passedOver(plan, instances));
  const own = places.filter(({ service }) => service === undefined);
  const isEmpty = own.every((place) => place.instances.length === 0);
  return {
    datacenters,
    reach: reachOf,
    lanes,
    subset: (name) => plan.subsets.get(name) ?? lanes?.ofSubset(name)?.subset,
    group: (subset, datacenter) => groups.get(groupKey(subset, datacenter)),
    groups: [...groups.values()],
    isAnyAbsent: absences.size > 0,
    isAnyDraining: [...groups.values()].some((group) => group.draining.length > 0),
    absent: (subset, datacenter) => absences.get(groupKey(subset, datacenter)) ?? NO_INSTANCES,
    whyUnusable: (subset, instance) => {
      const rule = byName.get(subset);
      const isKnown = rule !== undefined || (lanes !== undefined && isLaneSubset(subset));
      return isKnown ? whyUnusable(instance, rule) : 'no such subset';
    },
    wouldTake: (subset, instance) => {
      const isOwn = serviceOf.get(instance) === undefined;
      const lane = isOwn ? laneFinder?.laneOf(instance) : undefined;
      if (lane?.subset === subset) return isAtPort(instance, lane.port);
      if (lane !== undefined && unfiltered.get(subset)?.takesLanes !== true) return false;
      const rule = unfiltered.get(subset);
      // Of a lookup only the answer tells, and it is gone: better not to count one as lost that belonged elsewhere.
      if (rule === undefined || (rule.lookups !== undefined && rule.service === undefined)) return false;
      if ((serviceOf.get(instance) ?? plan.service) !== (rule.service ?? plan.service)) return false;
      return isAtPort(instance, rule.port) && memberOf(rule, instance, NO_FILTERS) !== undefined;
    },
    listed: (datacenter, subset) => {
      const service = subset === undefined ? undefined : byName.get(subset)?.service;
      return places.flatMap((each) =>
        each.datacenter === datacenter && each.service === service ? each.instances : [],
      );
    },
    similar: isEmpty ? own.find((place) => place.similar !== undefined)?.similar : undefined,
    fault: isEmpty ? own.find((place) => place.faults?.[0] !== undefined)?.faults?.[0] : undefined,
    filterFailure: (subset, datacenter) => failures.get(groupKey(subset, datacenter)),
    connectOnly: own.filter((place) => place.connectOnly).map((place) => place.datacenter),
    unassigned,
    shared,
  };
}

interface Rule {
  readonly name: string;
  readonly tags: readonly string[];
  readonly meta: readonly (readonly [string, string])[];
  readonly filter: string | undefined;
  readonly port: string | undefined;
  readonly onlyPassing: boolean;
  readonly lookups: ReadonlySet<string> | undefined;
  /** Another service, whose instances it takes. */
  readonly service: string | undefined;
  readonly notTags: readonly string[];
  /** That service has no such subset. */
  readonly isMissing: boolean;
  /** Also of instances that are in a lane. */
  readonly takesLanes: boolean;
  /** Of another service: instances in its lanes do not belong. */
  readonly exceptLanes: SubsetPlan['exceptLanes'];
}

function ruleOf(subset: SubsetPlan): Rule {
  const { name, tags, notTags = [], meta, filter, port, onlyPassing, lookups, service, missing } = subset;
  return {
    name,
    service,
    isMissing: missing !== undefined,
    tags,
    notTags,
    meta: Object.entries(meta),
    filter,
    port,
    onlyPassing: onlyPassing === true,
    lookups: lookups === undefined ? undefined : new Set(lookups.map(({ key }) => key)),
    takesLanes: subset.takesLanes === true,
    exceptLanes: subset.exceptLanes,
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
  readonly faults?: readonly string[];
  readonly rules: readonly Rule[];
  /** Another service, whose place it is; undefined: the plan's own, and all of a chain. */
  readonly service?: string;
}

function placesOf(plan: Plan, rules: readonly Rule[], set: InstanceSet): readonly Place[] {
  if (plan.lookups === undefined) {
    const own = set.datacenters;
    const peers = (plan.peers ?? []).flatMap(({ key, datacenter }) => {
      const state = set.lookups?.get(key);
      const isListed = own.some((each) => each.datacenter === datacenter);
      return state === undefined || isListed ? [] : [{ ...state, datacenter }];
    });
    const ownRules = plan.elsewhere === undefined ? rules : rules.filter(({ lookups }) => lookups === undefined);
    return [...[...own, ...peers].map((state) => ({ ...state, rules: ownRules })), ...elsewhereOf(plan, rules, set)];
  }
  return plan.lookups.flatMap(({ key, datacenter }) => {
    const state = set.lookups?.get(key);
    if (state === undefined) return [];
    return [{ ...state, datacenter, rules: rules.filter((rule) => rule.lookups?.has(key)) }];
  });
}

/** The places of other services. One that two lookups cover counts once. */
function elsewhereOf({ elsewhere = [] }: Plan, rules: readonly Rule[], set: InstanceSet): readonly Place[] {
  const places = new Map<string, Place>();
  for (const lookup of elsewhere) {
    const { service } = lookup;
    for (const state of foundBy(lookup, set.lookups)) {
      const key = `${service}\n${state.datacenter}`;
      if (places.has(key)) continue;
      places.set(key, { ...state, service, rules: rules.filter((rule) => rule.service === service) });
    }
  }
  return [...places.values()];
}

/** Of a service whose plan looks elsewhere: those that no lookup finds. */
function passedOver({ lookups }: Plan, set: InstanceSet): readonly Instance[] {
  if (lookups === undefined) return [];
  const found = new Set(lookups.flatMap(({ key }) => set.lookups?.get(key)?.instances ?? []));
  return set.datacenters.flatMap(({ instances }) => instances.filter((instance) => !found.has(instance)));
}

const WEIGHT_0 = 'weight 0: takes calls where no other instance can';

/** `rule`: undefined for a lane. */
function whyUnusable({ status, weight }: Instance, rule?: Rule): string | undefined {
  if (status === 'critical') return 'critical in Consul';
  if (rule?.onlyPassing === true && status !== 'passing') return `${status} in Consul, and the subset is OnlyPassing`;
  return weight <= 0 ? WEIGHT_0 : undefined;
}

/** The instance as the subset dials it; undefined where it does not belong. */
function memberOf(
  rule: Rule,
  instance: Instance,
  filters: ReadonlyMap<string, ReadonlySet<string>>,
): Instance | undefined {
  if (rule.isMissing) return undefined;
  if (rule.exceptLanes !== undefined && laneOf(instance, rule.exceptLanes) !== undefined) return undefined;
  for (const tag of rule.notTags) if (instance.tags.includes(tag)) return undefined;
  for (const tag of rule.tags) if (!instance.tags.includes(tag)) return undefined;
  for (const [key, value] of rule.meta) {
    if (!Object.hasOwn(instance.meta, key) || instance.meta[key] !== value) return undefined;
  }
  if (rule.filter !== undefined && filters.get(rule.filter)?.has(instance.key) !== true) return undefined;
  return atPort(instance, rule.port);
}

/**
 * Every instance of a set as calls under the plan dial it. One that subsets dial at ports of their own alone is not
 * there at its default port.
 */
export function dialledInstances(plan: Plan, set: InstanceSet): readonly Instance[] {
  const all = instancesOf(set);
  if ([...plan.subsets.values()].every(({ port }) => port === undefined)) return all;
  const members = new Set(membershipOf(plan, set).groups.flatMap(({ usable, unusable }) => [...usable, ...unusable]));
  const keys = new Set([...members].map(({ key }) => key));
  return [...members, ...all.filter((instance) => !members.has(instance) && !keys.has(instance.key))];
}

function groupKey(subset: string, datacenter: string): string {
  return `${datacenter}\n${subset}`;
}
