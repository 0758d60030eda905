import { measureRollout } from '../../ops/rollout/analysis/create-metrics-provider';
import type { MetricsProvider } from '../../ops/rollout/analysis/metrics-provider';
import { MeasureError } from '../../ops/rollout/analysis/requests';
import { isJudgedByClients, needsFigures } from '../../ops/rollout/collector/announcer';
import type { Collecting } from '../../ops/rollout/collector/collecting';
import type { ControllerConfig } from '../../ops/rollout/config/controller-config';
import { notify } from '../../ops/rollout/notify';
import type { DriveDeps } from '../../ops/rollout/reconcile';
import type { StoredPolicy } from '../../ops/store/history';
import { MAX_LOAD_FACTOR } from '../consul/capacity';
import { capacityIn } from '../consul/store-capacity';
import type { RolloutSession } from './rollout-session';

interface DriveSettings {
  /** Who drives, for the history. */
  readonly name: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What the names in a rollout stand for. */
  readonly config: ControllerConfig;
  /** Ends a measurement that is under way. */
  readonly signal?: AbortSignal;
  /** Whom clients report to. Undefined: this controller gathers no figures itself. */
  readonly collecting?: Pick<Collecting, 'provider'> | undefined;
}

/** For a rollout that names no provider, where clients have nowhere to report. */
const NOBODY: MetricsProvider = {
  name: 'none',
  measure: async () => {
    throw new MeasureError(
      'no figures: the rollout names no provider, and clients cannot report to this controller (expected: analysis.provider, or graylane rollout run --listen)',
    );
  },
};

/** What drives rollouts, with the capacity check of `policy apply`. */
export function driveDeps(
  { connection, policies, rollouts }: RolloutSession,
  { name, env, config, signal, collecting }: DriveSettings,
): DriveDeps {
  return {
    policies,
    rollouts,
    name,
    now: Date.now,
    capacity: (stored: StoredPolicy, maxLoadFactor = MAX_LOAD_FACTOR) => {
      const capacity = capacityIn({ connection }, stored, maxLoadFactor, 'maxLoadFactor');
      return {
        async judge(before, after) {
          const { overloads, empties } = await capacity.judge(before, after);
          return { overloads: [...overloads, ...empties.map(({ text }) => text)] };
        },
      };
    },
    measure: (progress, wanted) => {
      const request = signal === undefined ? wanted : { ...wanted, signal };
      const isOwn = isJudgedByClients(progress) && needsFigures(progress);
      const own = isOwn ? { fallback: collecting?.provider(progress) ?? NOBODY } : {};
      return measureRollout(progress.document, request, { config, environment: env, ...own });
    },
    notify: (hooks, message) => notify(hooks, message, { config, env }),
  };
}
