import type { Membership } from '../../../policy/membership/membership';
import { isMeant } from '../../../policy/membership/tiers';
import type { ForceSelector } from '../../../policy/plan';
import { endpointKey } from '../endpoints/endpoint-registry';

/** Those with an instance that a force means: subsets and lanes, in the datacenters where it is. */
export function meantGroups(force: ForceSelector, groups: Membership['groups']): Membership['groups'] {
  return groups.filter(({ subset, datacenter, usable, draining }) => {
    const isAnyMeant = (instances: typeof usable): boolean =>
      instances.some((instance) => {
        const endpoint = endpointKey(instance).slice(instance.datacenter.length + 1);
        return isMeant(force, { subset, datacenter, instance: instance.id, endpoint });
      });
    return isAnyMeant(usable) || isAnyMeant(draining);
  });
}

/** The lanes among them. */
export function meantLanes(force: ForceSelector, { lanes, groups }: Membership): Membership['groups'] {
  return lanes === undefined
    ? []
    : meantGroups(
        force,
        groups.filter(({ isLane }) => isLane),
      );
}
