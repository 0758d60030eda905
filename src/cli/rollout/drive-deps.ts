import type { StoredPolicy } from '../../policy/store/policy-store';
import type { DriveDeps } from '../../rollout/drive';
import { measureRollout } from '../../rollout/measure';
import { notify } from '../../rollout/notify';
import { MAX_LOAD_FACTOR } from '../capacity';
import type { CommandIo } from '../io';
import { capacityIn } from '../store-capacity';
import type { RolloutSession } from './rollout-session';

/** What drives rollouts, with the capacity check of `policy apply`. */
export function driveDeps(
  { connection, policies, rollouts }: RolloutSession,
  name: string,
  { env }: Pick<CommandIo, 'env'>,
): DriveDeps {
  return {
    policies,
    rollouts,
    name,
    now: Date.now,
    capacity: (stored: StoredPolicy, maxLoadFactor = MAX_LOAD_FACTOR) =>
      capacityIn({ connection }, stored, maxLoadFactor, 'maxLoadFactor'),
    measure: (progress, wanted) => measureRollout(progress, wanted, env),
    notify: (hook, message) => notify(hook, message, env),
  };
}
