import type { StoredPolicy } from '../../policy/store/policy-store';
import type { DriveDeps } from '../../rollout/drive';
import { measureRollout } from '../../rollout/measure';
import { notify } from '../../rollout/notify';
import { MAX_LOAD_FACTOR } from '../consul/capacity';
import { capacityIn } from '../consul/store-capacity';
import type { RolloutSession } from './rollout-session';

interface DriveSettings {
  /** Who drives, for the history. */
  readonly name: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether programs that a document in Consul names may be run here. */
  readonly allowCommands: boolean;
  /** Ends a measurement that is under way. */
  readonly signal?: AbortSignal;
}

/** What drives rollouts, with the capacity check of `policy apply`. */
export function driveDeps(
  { connection, policies, rollouts }: RolloutSession,
  { name, env, allowCommands, signal }: DriveSettings,
): DriveDeps {
  return {
    policies,
    rollouts,
    name,
    now: Date.now,
    capacity: (stored: StoredPolicy, maxLoadFactor = MAX_LOAD_FACTOR) =>
      capacityIn({ connection }, stored, maxLoadFactor, 'maxLoadFactor'),
    measure: ({ document }, wanted) => {
      const request = signal === undefined ? wanted : { ...wanted, signal };
      return measureRollout(document, request, { environment: env, allowCommands });
    },
    notify: (hook, message) => notify(hook, message, { env, allowCommands }),
  };
}
