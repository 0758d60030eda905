import { addNotice, advanced, without } from './pending-actions';
import type { Advanced, PauseReason, RolloutProgress } from './progress';
import { rollBack } from './take-measurement';

/** Why a person, or the controller on their behalf, may not do this now: `message` says what state the rollout is in. */
export class RolloutStateError extends Error {
  override readonly name: string = 'RolloutStateError';
}

/**
 * Stops where it stands: no step, no measurement, the weight as it is. Actions that wait are kept and must not be done until
 * `resume`. Pausing again with another reason replaces the reason.
 */
export function pauseRollout(
  progress: RolloutProgress,
  why: Exclude<PauseReason, 'step'>,
  message: string,
  nowMs: number,
): Advanced {
  refuseEnded(progress, 'pause');
  const paused: RolloutProgress = {
    ...without(progress, 'window'),
    state: { kind: 'paused', why, message, sinceMs: nowMs },
  };
  return advanced(why === 'operator' ? paused : addNotice(paused, 'paused', message, nowMs));
}

/**
 * Goes on: behind a pause step, or with the step that was interrupted. A timed pause begins its time anew, an analysis counts
 * afresh, since nobody looked meanwhile. Follow with `advance()`.
 */
export function resumeRollout(progress: RolloutProgress): Advanced {
  const { state } = progress;
  if (state.kind !== 'paused' && state.kind !== 'inconclusive') throw wrongState(progress, 'resume', 'paused');
  const isStepDone = state.kind === 'paused' && state.why === 'step';
  return advanced({
    ...without(progress, 'window', 'stepSinceMs'),
    state: { kind: 'running' },
    step: isStepDone ? progress.step + 1 : progress.step,
  });
}

/**
 * Takes the step it is at as done; with `full` all that are left. Actions that wait are done all the same. Follow with
 * `advance()`.
 */
export function promoteRollout(
  progress: RolloutProgress,
  { full = false }: { readonly full?: boolean } = {},
): Advanced {
  refuseEnded(progress, 'promote');
  const { document, step, pending } = progress;
  // A step that is an action ends by its confirmation; only its successors can be left out.
  const isActing = pending.some(({ kind }) => kind === 'setWeight' || kind === 'setRoute');
  const end = document.steps.length;
  return advanced({
    ...without(progress, 'window', 'stepSinceMs'),
    state: { kind: 'running' },
    pending: full ? pending.filter(({ kind }) => kind !== 'setWeight' && kind !== 'setRoute') : pending,
    step: full ? end : isActing ? step : Math.min(step + 1, end),
  });
}

/** Takes the canary back by hand. A rollout that has ended stays as it is. */
export function abortRollout(progress: RolloutProgress, message: string, nowMs: number): Advanced {
  refuseEnded(progress, 'abort');
  return advanced(rollBack(progress, 'operator', message, nowMs));
}

function refuseEnded(progress: RolloutProgress, verb: string): void {
  const { kind } = progress.state;
  if (kind === 'aborted' || kind === 'completed') throw wrongState(progress, verb, 'running or paused');
}

function wrongState({ id, state }: RolloutProgress, verb: string, expected: string): RolloutStateError {
  return new RolloutStateError(`${verb} ${id}: ${state.kind} (expected: ${expected})`);
}
