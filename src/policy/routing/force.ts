import { findDestination } from '../destinations';
import type { Decision, Destination, ForceSelector } from '../plan';
import type { RoutingOutcome } from './call';

/**
 * Bends a decision to what the caller asked for. `routed` is what would have been decided without it: its timeout and
 * retries stay, and so does its destination unless a subset was named.
 *
 * - A subset goes to that subset: alone when strict (the default), with its fallbacks otherwise.
 * - A strict subset that the plan does not know yields a destination with index -1 and no instance: the balancer fails
 *   the call and names the force.
 * - `datacenter` under strict becomes the only datacenter.
 * - `endpoint` and `instance`, and `datacenter` without strict, are looked for by the balancer, through
 *   `decision.force` and whatever `datacenters` says; without strict the rest of the decision serves when they cannot
 *   be had.
 * - A subset that is unknown without strict is as if nothing had been asked for.
 */
export function applyForce(force: ForceSelector, routed: Decision, outcome: RoutingOutcome): Decision {
  const { subset, datacenter, endpoint, instance } = force;
  if (subset === undefined && datacenter === undefined && endpoint === undefined && instance === undefined) {
    return routed;
  }
  const strict = force.strict ?? true;
  let destination = routed.destination;
  if (subset !== undefined) {
    const found = findDestination(routed.plan.destinations, subset, strict);
    if (found === undefined && !strict) return routed;
    destination = found ?? unknownDestination(subset);
    outcome.sticky = false;
    outcome.bucket = -1;
  }
  // Force beats the override, so a datacenter that the override names does not hold a strict one.
  const strictDatacenters = datacenter === undefined ? undefined : [datacenter];
  return Object.freeze({
    ...routed,
    by: 'force',
    route: 'force',
    destination,
    datacenters: strict ? strictDatacenters : routed.datacenters,
    force,
  });
}

function unknownDestination(subset: string): Destination {
  return { index: -1, subset, strict: true, chain: [subset] };
}
