import type { Plan, PolicyProblem } from '../plan';
import { membershipOf } from './membership';
import { type InstanceSet, instancesOf } from './snapshot';
import { isUsable, tierOrder } from './tiers';
import { unassignedOf } from './unassigned';

const MOST_PORTS = 10;

/**
 * What a policy asks for and cannot have with the instances known now, through no fault that its document shows: filters
 * without an answer, ports that nobody has, an override to a datacenter where nobody is, and instances that a subset would
 * take were it not for a slip of the pen in their registration. For logs, `inspect()` and whoever reads these.
 */
export function shortfallsOf(plan: Plan, instances: InstanceSet, wallNowMs: number): readonly PolicyProblem[] {
  return [
    ...unansweredFilters(plan, instances),
    ...missingPorts(plan, instances),
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

function missingPorts(plan: Plan, instances: InstanceSet): readonly PolicyProblem[] {
  const { groups } = membershipOf(plan, instances);
  return [...plan.subsets.values()].flatMap(({ name, port }) => {
    if (port === undefined || groups.some(({ subset }) => subset === name)) return [];
    const named = instancesOf(instances).flatMap(({ ports = [] }) => ports.map((each) => each.name));
    const there = [...new Set(named)].sort().slice(0, MOST_PORTS);
    if (there.includes(port)) return [];
    const path = `subsets.${name}.port`;
    const has = there.length === 0 ? 'none of the instances has named ports' : `the instances have ${there.join(', ')}`;
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
  const order = tierOrder(plan, destination, membership.datacenters, named);
  if (order.some((tier) => isUsable(membership, tier))) return [];
  const known = membership.datacenters.join(', ');
  const path = 'override.datacenter';
  const message = `${path}: ${named.join(', ')} has no usable instance of ${destination.subset} that this client knows of (it looks in ${known}), so calls go as without it`;
  return [{ path, message }];
}
