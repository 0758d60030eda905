import { resolveAnalysis } from './analysis/settings';
import type { FailedMeasurement, Measurement } from './analysis/subset-metrics';
import { returnsShare, wantsDeployment } from './deployment/deployment';
import type { PauseDocument } from './document';
import type { ApprovalDocument } from './gates/gate-document';
import { holdBeforeStep, openGateStep, passageWakeMs, waiveHold } from './gates/passage';
import { isWatching, openBackground, openWindow, rollBack, takeMeasurement } from './measurement';
import {
  addAction,
  addNotice,
  dueActions,
  isPlannedPause,
  type PauseReason,
  type RolloutProgress,
  without,
} from './progress';

/**
 * `id` is unique among the rollouts of the service, and part of its history entries. `document`: as `validateRollout()`
 * let it pass. `weight`: the share of the canary, percent, that the policy has now.
 */
export function startRollout(
  start: Pick<RolloutProgress, 'id' | 'document' | 'weight'>,
  nowMs: number,
): RolloutProgress {
  return {
    ...start,
    state: { kind: 'running' },
    step: 0,
    windows: 0,
    nextAction: 1,
    pending: [],
    startedAtMs: nowMs,
    results: [],
  };
}

/**
 * Advances the rollout as far as possible without an action: applies the measurement, if there is one, then moves on
 * until an action or a person is needed. Pure.
 *
 * The controller saves the result before it does any of the actions. A controller that takes over calls this again and
 * gets the same actions with the same numbers. After `aborted` and `completed` only unconfirmed actions are left.
 */
export function advance(
  progress: RolloutProgress,
  measurement: Measurement | FailedMeasurement | undefined,
  nowMs: number,
): RolloutProgress {
  let current = measurement === undefined ? progress : takeMeasurement(progress, measurement, nowMs);
  for (let next = stepOn(current, nowMs); next !== current; next = stepOn(current, nowMs)) current = next;
  return current;
}

/** Marks the action as done. An unknown number changes nothing, so confirming twice is harmless. */
export function confirmAction(progress: RolloutProgress, number: number, nowMs: number): RolloutProgress {
  const action = progress.pending.find((each) => each.number === number);
  if (action === undefined) return progress;
  const rest: RolloutProgress = {
    ...without(progress, 'waitingFor'),
    pending: progress.pending.filter((each) => each !== action),
  };
  const after = ({ step }: { readonly step: number }): number => Math.min(step + 1, progress.document.steps.length);
  switch (action.kind) {
    case 'setWeight':
      return { ...without(rest, 'stepSinceMs'), weight: action.weight, weightSinceMs: nowMs, step: after(action) };
    case 'setRoute':
    case 'clearRoute':
    case 'setMirror':
      return { ...without(rest, 'stepSinceMs'), step: after(action) };
    case 'rollback':
      return { ...rest, weight: 0, weightSinceMs: nowMs };
    case 'promote':
    case 'finish': {
      const isBack = action.kind === 'finish' && returnsShare(progress.document);
      const { stable, canary } = progress.document;
      const kept = isBack ? `${stable} has all calls, the promoted ${canary} among it` : 'the canary has all calls';
      const message = action.kind === 'promote' ? 'stable is now what the canary was' : kept;
      const ended: RolloutProgress = isBack ? { ...rest, weight: 0, weightSinceMs: nowMs } : rest;
      return addNotice({ ...ended, state: { kind: 'completed', atMs: nowMs } }, 'completed', message, nowMs);
    }
    case 'notify':
    case 'gate':
    case 'deployment':
      return rest;
  }
}

/** Notes what the pending action waits for. The note goes away when the action is confirmed. */
export function waitFor(progress: RolloutProgress, what: string): RolloutProgress {
  return progress.waitingFor === what ? progress : { ...progress, waitingFor: what };
}

/**
 * When to call `advance()` again: 0 at once, undefined when only a person or a confirmation can continue the rollout.
 */
export function nextWakeMs(progress: RolloutProgress): number | undefined {
  if (dueActions(progress).length > 0) return 0;
  if (progress.pending.length > 0) return undefined;
  const { state, window } = progress;
  const times: number[] = [];
  if (state.kind === 'paused' && state.untilMs !== undefined) times.push(state.untilMs);
  if (window !== undefined && isWatching(progress)) times.push(window.dueMs);
  const passageMs = passageWakeMs(progress);
  if (passageMs !== undefined) times.push(passageMs);
  if (times.length > 0) return Math.min(...times);
  return state.kind === 'running' ? 0 : undefined;
}

/** One move; the very same progress when there is none to make. */
function stepOn(waiting: RolloutProgress, nowMs: number): RolloutProgress {
  const { state, document, step, pending } = waiting;
  if (pending.length > 0) return waiting;
  if (state.kind === 'paused' && state.why === 'step' && state.untilMs !== undefined && state.untilMs <= nowMs) {
    return afterStep(waiting);
  }
  if (state.kind !== 'running') return waiting;
  if (wantsDeployment(waiting)) return addAction(waiting, { kind: 'deployment', verb: 'find' });
  const { isHeld, progress } = holdBeforeStep(waiting, nowMs);
  if (isHeld) return progress;
  const at = document.steps[step];
  if (at === undefined) return finish(progress);
  if ('setWeight' in at) return begin(addAction(progress, { kind: 'setWeight', weight: at.setWeight, step }), nowMs);
  if ('setRoute' in at) return begin(addAction(progress, { kind: 'setRoute', route: at.setRoute, step }), nowMs);
  if ('clearRoute' in at) {
    return begin(addAction(progress, { kind: 'clearRoute', route: at.clearRoute, step }), nowMs);
  }
  if ('setMirror' in at) return begin(addAction(progress, { kind: 'setMirror', mirror: at.setMirror, step }), nowMs);
  if ('pause' in at) return pause(progress, at.pause, nowMs);
  if ('approval' in at) return awaitApproval(progress, at.approval, nowMs);
  if ('gate' in at) {
    return progress.stepSinceMs === undefined ? begin(openGateStep(progress, at.gate, nowMs), nowMs) : progress;
  }
  if (progress.window !== undefined) return progress;
  return begin(openWindow(progress, 'step', resolveAnalysis(document, at.analysis), nowMs), nowMs);
}

function begin(progress: RolloutProgress, nowMs: number): RolloutProgress {
  return { ...progress, stepSinceMs: progress.stepSinceMs ?? nowMs };
}

function pause(progress: RolloutProgress, { durationMs }: PauseDocument, nowMs: number): RolloutProgress {
  const sinceMs = progress.stepSinceMs ?? nowMs;
  const until = durationMs === undefined ? {} : { untilMs: sinceMs + durationMs };
  const message = durationMs === undefined ? 'until resumed' : `for ${durationMs / 1_000} s`;
  const paused: RolloutProgress = {
    ...progress,
    stepSinceMs: sinceMs,
    state: { kind: 'paused', why: 'step', message, sinceMs, ...until },
  };
  const watched = openBackground(paused, nowMs);
  return durationMs === undefined ? addNotice(watched, 'paused', message, nowMs) : watched;
}

function awaitApproval(progress: RolloutProgress, { note }: ApprovalDocument, nowMs: number): RolloutProgress {
  const message = `until approved${note === undefined ? '' : `: ${note}`}`;
  const paused: RolloutProgress = {
    ...progress,
    stepSinceMs: progress.stepSinceMs ?? nowMs,
    state: { kind: 'paused', why: 'approval', message, sinceMs: nowMs },
  };
  return addNotice(openBackground(paused, nowMs), 'paused', message, nowMs);
}

/** The present step is done, whatever it waited for. */
function afterStep(progress: RolloutProgress): RolloutProgress {
  return { ...without(progress, 'window', 'stepSinceMs'), state: { kind: 'running' }, step: progress.step + 1 };
}

/**
 * Weights end at 100 whatever the last step said, unless stable takes the canary's place, or a deployment makes the
 * canary's instances stable.
 */
function finish(progress: RolloutProgress): RolloutProgress {
  const { document, weight, step } = progress;
  if (returnsShare(document)) {
    return addAction(addAction(progress, { kind: 'deployment', verb: 'promote' }), { kind: 'finish' });
  }
  if (document.onSuccess === 'promote') return addAction(progress, { kind: 'promote' });
  if (weight !== 100) return addAction(progress, { kind: 'setWeight', weight: 100, step });
  return addAction(progress, { kind: 'finish' });
}

/*
 * What a person, or the controller on their behalf, may do. Each returns undefined where the rollout is in a state that
 * does not allow it.
 */

/**
 * Stops the rollout: no step, no measurement, and the weight stays. Pending actions must wait for `resume`. Pausing
 * again replaces the reason.
 */
export function pauseRollout(
  progress: RolloutProgress,
  why: Exclude<PauseReason, 'step' | 'approval'>,
  message: string,
  nowMs: number,
): RolloutProgress | undefined {
  if (isOver(progress)) return undefined;
  const paused: RolloutProgress = {
    ...without(progress, 'window'),
    state: { kind: 'paused', why, message, sinceMs: nowMs },
  };
  return why === 'operator' ? paused : addNotice(paused, 'paused', message, nowMs);
}

/**
 * Continues after a pause step, or repeats the step that was interrupted. A timed pause starts again, and an analysis
 * counts from zero, because nothing was measured meanwhile. A step that waits for an approval is not continued so.
 * Follow with `advance()`.
 */
export function resumeRollout(progress: RolloutProgress): RolloutProgress | undefined {
  const { state } = progress;
  if (state.kind !== 'paused' && state.kind !== 'inconclusive') return undefined;
  if (isPlannedPause(state)) return state.kind === 'paused' && state.why === 'step' ? afterStep(progress) : undefined;
  return { ...without(progress, 'window', 'stepSinceMs'), state: { kind: 'running' } };
}

/** Approves the step that waits for it. Follow with `advance()`. */
export function approveRollout(progress: RolloutProgress): RolloutProgress | undefined {
  const { state } = progress;
  return state.kind === 'paused' && state.why === 'approval' ? afterStep(progress) : undefined;
}

/**
 * Takes the current step as done; with `full`, all remaining steps. Pending actions are still done. A step that a gate
 * or the schedule holds up begins. Follow with `advance()`.
 */
export function promoteRollout(
  progress: RolloutProgress,
  { full = false }: { readonly full?: boolean } = {},
): RolloutProgress | undefined {
  if (isOver(progress)) return undefined;
  const waived = full ? undefined : waiveHold(progress);
  if (waived !== undefined) return waived;
  const { document, step, pending } = progress;
  // A step that is an action ends by its confirmation; only its successors can be left out.
  const isActing = pending.some((action) => 'step' in action);
  const end = document.steps.length;
  return {
    ...without(progress, 'window', 'stepSinceMs'),
    state: { kind: 'running' },
    pending: full ? pending.filter((action) => !('step' in action)) : pending,
    step: full ? end : isActing ? step : Math.min(step + 1, end),
  };
}

/** Rolls the canary back at a person's request. */
export function abortRollout(progress: RolloutProgress, message: string, nowMs: number): RolloutProgress | undefined {
  return isOver(progress) ? undefined : rollBack(progress, 'operator', message, nowMs);
}

function isOver({ state }: RolloutProgress): boolean {
  return state.kind === 'aborted' || state.kind === 'completed';
}
