import type { Instance } from '../../../base/instances';
import type { Plan } from '../../../policy/plan';
import { chooseSubset } from '../endpoints/subsetting';
import { chooseOfEachZone } from '../zones/subset-by-zone';
import { isByZone } from '../zones/zone-preferences';

/** Those of a group that one client connects to: all, unless the policy says `balancing.subsetSize`. */
export function shareOf(instances: readonly Instance[], plan: Plan, clientId: string): readonly Instance[] {
  const size = plan.balancing.subsetSize;
  if (size === undefined || instances.length <= size) return instances;
  return isByZone(plan)
    ? chooseOfEachZone(instances, size, clientId)
    : chooseSubset(instances, (instance) => instance.key, size, clientId);
}
