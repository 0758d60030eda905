import { shortenMiddle } from '../../base/shorten';
import { destinationPaths } from '../places/destination';
import type { Plan, PolicyProblem, SubsetPlan } from '../plan';
import { type Membership, membershipOf } from './membership';
import { findSlip, type Slip } from './slip';
import { type InstanceSet, instancesOf } from './snapshot';
import { isUsable, tierOrder } from './tiers';

const MOST_PORTS = 10;

/**
 * What a policy asks for and cannot have with the instances known now, although its document is sound: filters without
 * an answer, ports that no instance has, an override to a datacenter without instances, and instances that a subset
 * would take but for a small mistake in their registration. For logs and `inspect()`.
 */
export function shortfallsOf(plan: Plan, instances: InstanceSet, wallNowMs: number): readonly PolicyProblem[] {
  return [
    ...unansweredFilters(plan, instances),
    ...missingPorts(plan, instances),
    ...missingSubsets(plan),
    ...unusedOverride(plan, instances, wallNowMs),
    ...misspeltInstances(plan, instances),
  ];
}

function misspeltInstances(plan: Plan, instances: InstanceSet): readonly PolicyProblem[] {
  const slip = unassignedOf(plan, membershipOf(plan, instances))?.slip;
  if (slip === undefined) return [];
  // Without names and numbers: a deployment under way would tell it again with each instance.
  const message = `subsets: instances with ${slip.found} are in no subset and get no calls; did you mean ${slip.meant}?`;
  return [{ path: 'subsets', message }];
}

/** Destinations whose service has no such subset. */
export function missingSubsets({ document, subsets }: Plan): readonly PolicyProblem[] {
  const missing = [...subsets.values()].filter((subset) => subset.missing !== undefined);
  if (document === undefined || missing.length === 0) return [];
  const paths = destinationPaths(document);
  return missing.map((subset) => {
    const path = paths.get(subset.name) ?? subset.name;
    return { path, message: `${path}: ${subset.missing}` };
  });
}

/** Those of the policy itself: what another service has is for its own policy to say. */
function ownSubsets(plan: Plan): readonly SubsetPlan[] {
  return [...plan.subsets.values()].filter(({ service }) => service === undefined);
}

function missingPorts(plan: Plan, instances: InstanceSet): readonly PolicyProblem[] {
  const served = new Set(membershipOf(plan, instances).groups.map(({ subset }) => subset));
  const asking = ownSubsets(plan).filter(({ name, port }) => port !== undefined && !served.has(name));
  if (asking.length === 0) return [];
  const named = instancesOf(instances).flatMap(({ ports = [] }) => ports.map((each) => each.name));
  const there = [...new Set(named)].sort().slice(0, MOST_PORTS);
  const has = there.length === 0 ? 'none of the instances has named ports' : `the instances have ${there.join(', ')}`;
  return asking.flatMap(({ name, port = '' }) => {
    if (there.includes(port)) return [];
    const path = `subsets.${name}.port`;
    return [{ path, message: `${path}: no instance has a port named ${port}; ${has}` }];
  });
}

function unansweredFilters(plan: Plan, instances: InstanceSet): readonly PolicyProblem[] {
  const membership = membershipOf(plan, instances);
  return [...plan.subsets.keys()].flatMap((subset) => {
    const places = membership.datacenters.filter((name) => membership.filterFailure(subset, name) !== undefined);
    const failure = membership.filterFailure(subset, places[0] ?? '');
    if (failure === undefined) return [];
    const path = `subsets.${subset}.filter`;
    const what = failure.isRefused ? 'Consul refuses it' : 'Consul has not answered it';
    const message = `${path}: ${what} in ${places.join(', ')}, so the subset is empty there (${failure.reason})`;
    return [{ path, message }];
  });
}

function unusedOverride(plan: Plan, instances: InstanceSet, wallNowMs: number): readonly PolicyProblem[] {
  const { override } = plan;
  const named = override?.decision.datacenters;
  if (override === undefined || named === undefined || wallNowMs >= override.untilMs) return [];
  const membership = membershipOf(plan, instances);
  const { destination } = override.decision;
  const order = tierOrder(plan, destination, membership, named);
  if (order.some((tier) => isUsable(membership, tier))) return [];
  const known = membership.datacenters.join(', ');
  const path = 'override.datacenter';
  const message = `${path}: ${named.join(', ')} has no usable instance of ${destination.subset} that this client knows of (it looks in ${known}), so calls go as without it`;
  return [{ path, message }];
}

/** Instances that a message names, and is about; the others are counted. */
const MOST_NAMED = 3;
/** Of an instance's tags. */
const MOST_CHARACTERS = 80;

/** Instances that are in no subset, so that no call gets to them. */
export interface Unassigned {
  /** `1 of 4 instances is in no subset and gets no calls: s4 (tags: stabel); did you mean tag stable?` */
  readonly text: string;
  /**
   * What of them is spelt almost as a subset asks for it; undefined where they are most likely meant to be left out.
   */
  readonly slip: Slip | undefined;
}

/**
 * Undefined where every instance is in a subset. Also where none is: then the subsets are wrong, which is reported for
 * each subset.
 */
export function unassignedOf(plan: Plan, membership: Membership): Unassigned | undefined {
  const { unassigned, groups } = membership;
  if (unassigned.length === 0 || groups.length === 0) return undefined;
  const own = groups.filter(({ subset }) => plan.subsets.get(subset)?.service === undefined);
  const assigned = [...new Set(own.flatMap(({ usable, unusable }) => [...usable, ...unusable]))];
  const first = unassigned.slice(0, MOST_NAMED);
  const slip = findSlip(first, ownSubsets(plan), assigned);
  const named = first
    .map(({ id, tags }) => `${id} (tags: ${shortenMiddle(tags.join(' '), MOST_CHARACTERS) || 'none'})`)
    .join(', ');
  const more = unassigned.length > MOST_NAMED ? ` and ${unassigned.length - MOST_NAMED} more` : '';
  const all = unassigned.length + assigned.length;
  const [are, get] = unassigned.length === 1 ? ['is', 'gets'] : ['are', 'get'];
  const hint = slip === undefined ? '' : `; did you mean ${slip.meant}?`;
  const text = `${unassigned.length} of ${all} instances ${are} in no subset and ${get} no calls: ${named}${more}${hint}`;
  return { text, slip };
}
