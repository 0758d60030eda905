import type { Membership } from '../../../policy/membership/membership';
import { isMeant, type TierSpec } from '../../../policy/membership/tiers';
import type { ForceSelector } from '../../../policy/plan';
import { endpointKey } from '../endpoints/endpoint-registry';

/** The lanes with an instance that a force means, in the datacenters where it is. */
export function meantLanes(force: ForceSelector, membership: Membership): readonly TierSpec[] {
  if (membership.lanes === undefined) return [];
  return membership.groups.filter(({ isLane, subset, datacenter, usable, draining }) => {
    const isAnyMeant = (instances: typeof usable): boolean =>
      instances.some((instance) => {
        const endpoint = endpointKey(instance).slice(instance.datacenter.length + 1);
        return isMeant(force, { subset, datacenter, instance: instance.id, endpoint });
      });
    return isLane && (isAnyMeant(usable) || isAnyMeant(draining));
  });
}
