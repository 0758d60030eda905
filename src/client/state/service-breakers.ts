import type { Logger } from '../../base/logger';
import { membershipOf } from '../../policy/membership/membership';
import type { InstanceSet } from '../../policy/membership/snapshot';
import type { BreakerPlan, Plan } from '../../policy/plan';
import type { EndpointRegistry } from '../balancer/endpoints/endpoint-registry';
import type { GuardChange } from '../breaker/guard/subset-guard';

export function logGuardChange(logger: Logger, service: string, change: GuardChange): void {
  const { subset, event, isDryRun, because, heldForMs } = change;
  const fields = { service, subset, because, heldForMs: Math.round(heldForMs) };
  if (event === 'restored') logger.info('the guard restores a subset', fields);
  else if (isDryRun) logger.warn('the guard would shed a subset (dryRun)', fields);
  else logger.warn('the guard sheds a subset', fields);
}

/**
 * Looks up the breaker numbers of an endpoint: those of the first subset that it is in. The table is made at the first
 * question, as few endpoints have breakers.
 */
export function endpointRules(
  plan: Plan,
  instances: InstanceSet,
  endpoints: EndpointRegistry,
): (key: string) => BreakerPlan | undefined {
  let rules: Map<string, BreakerPlan> | undefined;
  return (key) => {
    rules ??= tableOf(plan, instances, endpoints);
    return rules.get(key);
  };
}

/** Every subset that may have a breaker of its own, also those of lanes. */
export function breakerSubsets(plan: Plan, instances: InstanceSet): Plan['subsets'] {
  const { lanes } = membershipOf(plan, instances);
  if (lanes === undefined) return plan.subsets;
  return new Map([...plan.subsets, ...[...lanes.lanes.values()].map(({ subset }) => [subset.name, subset] as const)]);
}

function tableOf(plan: Plan, instances: InstanceSet, endpoints: EndpointRegistry): Map<string, BreakerPlan> {
  const rules = new Map<string, BreakerPlan>();
  const membership = membershipOf(plan, instances);
  for (const { subset, usable } of membership.groups) {
    const breaker = membership.subset(subset)?.breaker;
    if (breaker === undefined) continue;
    for (const instance of usable) {
      const key = endpoints.of(instance)?.key;
      if (key !== undefined && !rules.has(key)) rules.set(key, breaker);
    }
  }
  return rules;
}
