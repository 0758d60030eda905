import { seededRandom } from '../../../base/random';
import { parseRollout } from '../../../ops/rollout/validate';
import { type SideBehaviour, type SimulatedMoment, simulateRollout } from '../../../ops/simulation/simulated-rollout';
import type { PolicyProblem } from '../../../policy/plan';

/** How the two subsets behave while the rollout runs. */
export interface RolloutScenario {
  /** > 0. */
  readonly callsPerSecond: number;
  readonly stable: SideBehaviour;
  readonly canary: SideBehaviour;
  readonly seed: number;
}

/** What became of the rollout, or why its text cannot be started. */
export interface RolloutRun {
  readonly problems: readonly PolicyProblem[];
  readonly end: RolloutEnd | undefined;
}

export interface RolloutEnd {
  /** `paused` and `inconclusive`: it waits for a person. `cut`: too many calls to be followed to the end. */
  readonly kind: 'completed' | 'aborted' | 'paused' | 'inconclusive' | 'cut';
  /** In words, where there is more to say. */
  readonly message: string | undefined;
  readonly elapsedMs: number;
  readonly canaryCalls: number;
  readonly canaryFailures: number;
  readonly moments: readonly SimulatedMoment[];
}

/** Runs a rollout by the controller's own engine in virtual time. The same text and scenario give the same end. */
export function runRollout(text: string, { seed, ...traffic }: RolloutScenario): RolloutRun {
  const { document, problems } = parseRollout(text, 'yaml');
  if (document === undefined) return { problems, end: undefined };
  const { progress, isCut, ...told } = simulateRollout(document, { ...traffic, random: seededRandom(seed) });
  const { elapsedMs, canaryCalls, canaryFailures, moments } = told;
  const { state } = progress;
  const end: RolloutEnd = {
    kind: isCut || state.kind === 'running' ? 'cut' : state.kind,
    message: 'message' in state ? state.message : undefined,
    ...{ elapsedMs, canaryCalls, canaryFailures, moments },
  };
  return { problems, end };
}
