import type { Clock } from '../../../base/clock';
import type { Instance } from '../../../base/instances';
import { shortenMiddle } from '../../../base/shorten';
import { nearest } from '../../../base/spelling';
import { describeMissing } from '../../../policy/lanes/describe-lane';
import { isLaneSubset } from '../../../policy/lanes/lane-plan';
import type { Membership } from '../../../policy/membership/membership';
import { usedTiers } from '../../../policy/membership/tiers';
import type { Decision, SubsetPlan } from '../../../policy/plan';
import type { Labels } from '../../../policy/routing/call';
import type { Pool } from './pool';
import type { Topology } from './topology';

/** Whose labels say which lane was asked for. */
interface RoutingCall {
  readonly labels: Labels;
  readonly clock: Clock;
}

/**
 * Says in one line why no tier can serve: for each subset of the decision's chain what there is and why it is not
 * reachable, ending with `fallback none` where nobody may stand in. `isDenied`: somebody might, and has his share
 * already.
 */
export function describeRefusal(
  service: string,
  decision: Decision,
  membership: Membership,
  tiers: readonly Pool[],
  isDenied = false,
  call?: RoutingCall,
): string {
  const { lanes } = decision.plan;
  if (lanes !== undefined && call !== undefined && decision.destination === lanes.refusal.destination) {
    return `${service}: ${describeMissing(decision.plan, membership.lanes, call.labels, call.clock)}`;
  }
  const used = usedTiers(decision.plan, { ...decision, ...decision.destination }, membership);
  const { chain, subset: own, places } = decision.destination;
  const parts = (isDenied ? chain.slice(0, 1) : chain).map((subset, position) => {
    const ofSubset = places === undefined ? used : used.filter((tier) => tier.subset === subset);
    const datacenters = [...new Set(ofSubset.map(({ datacenter }) => datacenter))];
    const prefix = position === 0 ? nameInFull(service, subset, decision) : `fallback ${subset}`;
    return `${prefix}: ${describeSubset(subset, datacenters, decision, membership, tiers)}`;
  });
  const most = decision.plan.subsets.get(own)?.fallbackMaxPercentage ?? 100;
  const denied = `fallback ${chain[1] ?? 'none'}: takes at most ${most} % of these calls (fallbackMaxPercentage)`;
  const suffix = isDenied ? [denied] : chain.length === 1 ? ['fallback none'] : [];
  const connect =
    membership.connectOnly.length === 0
      ? []
      : [`CONNECT_ONLY: only Connect proxies are registered in ${membership.connectOnly.join(', ')}`];
  const forced = decision.force === undefined ? [] : [`forced by the caller to ${describeForce(decision)}`];
  return [...forced, ...parts, ...suffix, ...connect].join('; ');
}

/** `payments/canary`; of another service its name tells the service. */
function nameInFull(service: string, subset: string, { plan }: Decision): string {
  return plan.subsets.get(subset)?.service === undefined ? `${service}/${subset}` : subset;
}

/**
 * Says in one line what stands in the way of calls that wait: of each pool, how many are connected and the last
 * failure.
 */
export function describeWaiting(service: string, topology: Topology): string {
  const named = topology.pools.filter((pool) => !isLaneSubset(pool.subset));
  const pools = (named.length === 0 ? topology.pools : named).slice(0, MOST_WAITING).map((pool) => {
    const connected = pool.members.filter((member) => member.isReady).length;
    const failure = pool.lastFailure === undefined ? '' : ` (last failure: ${pool.lastFailure})`;
    return `${pool.subset} in ${pool.datacenter}: ${connected} of ${pool.members.length + pool.missing} connected${failure}`;
  });
  return `${service}: ${pools.length === 0 ? 'no usable instance is known' : pools.join(', ')}`;
}

export function describeForce(decision: Decision): string {
  return Object.entries(decision.force ?? {})
    .filter(([key]) => key !== 'strict')
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(', ');
}

function describeSubset(
  subset: string,
  datacenters: readonly string[],
  decision: Decision,
  membership: Membership,
  tiers: readonly Pool[],
): string {
  const pools = tiers.filter((pool) => pool.subset === subset);
  if (datacenters.length === 0) return describeUnknownDatacenter(decision, membership);
  const where = datacenters.join(', ');
  if (pools.length === 0) {
    const failures = datacenters.flatMap((datacenter) => {
      const failure = membership.filterFailure(subset, datacenter);
      if (failure === undefined) return [];
      return [`its filter ${failure.isRefused ? 'is refused by' : 'has no answer from'} Consul (${failure.reason})`];
    });
    if (failures.length > 0) return `0 instances in ${where}: ${failures[0]}`;
    const unusable = datacenters.reduce(
      (sum, datacenter) => sum + (membership.group(subset, datacenter)?.unusable.length ?? 0),
      0,
    );
    return unusable === 0
      ? describeEmpty(membership.subset(subset), datacenters, where, membership)
      : `0 usable of ${unusable} instances in ${where}`;
  }
  return pools
    .map((pool) => {
      const failure = pool.lastFailure === undefined ? '' : ` (last failure: ${pool.lastFailure})`;
      return `0 of ${pool.members.length + pool.missing} connected in ${pool.datacenter}${failure}`;
    })
    .join(', ');
}

/** The datacenter that a force names is none of this client's. */
function describeUnknownDatacenter({ datacenters = [] }: Decision, membership: Membership): string {
  const known = membership.datacenters;
  const meant = datacenters.map((name) => nearest(name, known)).find((name) => name !== undefined);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  return `0 instances in ${datacenters.join(', ') || 'no datacenter'} (this client looks in ${known.join(', ')}${hint})`;
}

/** Pools that are named at most. Those of lanes are not, beside others. */
const MOST_WAITING = 100;
/** Tags and values that are named at most, and characters of each. */
const MOST = 5;
const MOST_LENGTH = 40;
const MOST_FAULT_LENGTH = 200;

/** One text for each subset and place of a membership, since each call that is refused asks for it. */
const told = new WeakMap<Membership, Map<string, string>>();

/**
 * Why a subset has nobody: that nobody is registered, with the name of a service that is near, or that those who are
 * have other tags, with those that were likely meant. `where`: the datacenters in words.
 */
function describeEmpty(
  subset: SubsetPlan | undefined,
  datacenters: readonly string[],
  where: string,
  membership: Membership,
): string {
  let texts = told.get(membership);
  if (texts === undefined) {
    texts = new Map();
    told.set(membership, texts);
  }
  const key = `${subset?.name}\n${where}`;
  let text = texts.get(key);
  if (text === undefined) {
    text = describe(subset, datacenters, where, membership);
    texts.set(key, text);
  }
  return text;
}

function describe(
  subset: SubsetPlan | undefined,
  datacenters: readonly string[],
  where: string,
  membership: Membership,
): string {
  if (subset?.missing !== undefined) return `0 instances in ${where}: ${plain(subset.missing)}`;
  const listed = datacenters.flatMap((datacenter) => membership.listed(datacenter, subset?.name));
  if (listed.length === 0 && subset?.service !== undefined) return `0 instances in ${where}`;
  if (listed.length === 0 || subset === undefined) {
    const { similar, fault } = membership;
    if (fault !== undefined) return `0 instances in ${where} that can be called (${plain(fault)})`;
    return `0 instances in ${where}${similar === undefined ? '' : ` (no such service is registered; did you mean ${short(similar)}?)`}`;
  }
  const meant = meantBy(subset, listed);
  const hint = meant.length === 0 ? '' : `; did you mean ${meant.slice(0, MOST).join(', ')}?`;
  return `${listed.length} registered in ${where}, none in ${subset.name} (${selectorOf(subset)})${hint}`;
}

function selectorOf({ tags, notTags = [], meta, filter, port }: SubsetPlan): string {
  const pairs = Object.entries(meta).map(([key, value]) => `${short(key)}: ${short(value)}`);
  return [
    ...(tags.length === 0 ? [] : [`tags: [${tags.slice(0, MOST).map(short).join(', ')}]`]),
    ...(notTags.length === 0 ? [] : [`notTags: [${notTags.slice(0, MOST).map(short).join(', ')}]`]),
    ...(pairs.length === 0 ? [] : [`meta: { ${pairs.slice(0, MOST).join(', ')} }`]),
    ...(filter === undefined ? [] : [`filter: ${short(filter)}`]),
    ...(port === undefined ? [] : [`port: ${short(port)}`]),
  ].join(', ');
}

/** What is near to what nobody has. */
function meantBy({ tags, meta, port }: SubsetPlan, listed: readonly Instance[]): readonly string[] {
  const there = new Set(listed.flatMap((instance) => instance.tags));
  const ofTags = tags.flatMap((tag) => (there.has(tag) ? [] : (nearest(tag, there) ?? [])));
  const ofMeta = Object.entries(meta).flatMap(([key, value]) => {
    const values = new Set(listed.flatMap((instance) => instance.meta[key] ?? []));
    if (values.size === 0) {
      const near = nearest(key, new Set(listed.flatMap((instance) => Object.keys(instance.meta))));
      return near === undefined ? [] : [`${short(near)}: ${short(value)}`];
    }
    const near = values.has(value) ? undefined : nearest(value, values);
    return near === undefined ? [] : [`${short(key)}: ${short(near)}`];
  });
  const ports = new Set(listed.flatMap((instance) => instance.ports?.map(({ name }) => name) ?? []));
  const ofPort = port === undefined || ports.has(port) ? undefined : nearest(port, ports);
  return [...ofTags.map(short), ...ofMeta, ...(ofPort === undefined ? [] : [`port ${short(ofPort)}`])];
}

/** Names come out of a registry that anybody may write to. */
function short(text: string): string {
  const shown = plain(text);
  return shown.length > MOST_LENGTH ? `${shown.slice(0, MOST_LENGTH)}...` : shown;
}

function plain(text: string): string {
  return shortenMiddle(text.replace(/[\p{Cc}\p{Cf}]+/gu, ' '), MOST_FAULT_LENGTH);
}

/** Says in one line why a call is refused: of each subset of its chain, who is full and who cannot serve. */
export function describeFull(service: string, decision: Decision, tiers: readonly Pool[]): string {
  const { chain } = decision.destination;
  const parts = chain.map((subset, position) => {
    const prefix = position === 0 ? nameInFull(service, subset, decision) : `fallback ${subset}`;
    const limit = tiers.find((pool) => pool.subset === subset && pool.limit?.isReached === true)?.limit;
    if (limit === undefined) return `${prefix}: cannot serve`;
    const { inFlight, maxInFlight, pending, maxPending } = limit.view();
    const waiting = maxPending === 0 ? '' : `, ${pending} of ${maxPending} waiting (limits.maxPending)`;
    return `${prefix}: ${inFlight} of ${maxInFlight} calls in flight (limits.maxInFlight)${waiting}`;
  });
  return [...parts, ...(chain.length === 1 ? ['fallback none'] : [])].join('; ');
}
