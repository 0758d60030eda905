import { describeAction } from './policy-change';
import type { RolloutAction, RolloutProgress } from './progress';
import type { Transition } from './record';

/** Who did something, and when (RFC 3339). */
export interface Actor {
  readonly by: string;
  readonly at: string;
}

/** What happened between two states of a rollout, for its history. Pure. */
export function transitionsBetween(
  before: RolloutProgress,
  after: RolloutProgress,
  actor: Actor,
): readonly Omit<Transition, 'number'>[] {
  const at = { ...actor, step: after.step, weight: after.weight };
  const happened: Omit<Transition, 'number'>[] = [];
  if (before.state.kind !== after.state.kind || messageOf(before) !== messageOf(after)) {
    happened.push({ ...at, event: eventOf(before, after), message: messageOf(after) });
  }
  if (before.waitingFor !== after.waitingFor && after.waitingFor !== undefined) {
    happened.push({ ...at, event: 'waiting', message: after.waitingFor });
  }
  const last = after.results.at(-1);
  if (last !== undefined && last.verdict === 'pass' && after.step > before.step && before.window?.kind === 'step') {
    const message = last.checks.map(({ message: each }) => each).join('; ');
    happened.push({ ...at, step: before.step, event: 'passed', message });
  }
  return happened;
}

/** An action that was done. `policy`: the number of the history entry that it wrote, undefined when none was needed. */
export function transitionOf(
  action: RolloutAction,
  after: RolloutProgress,
  actor: Actor,
  policy: number | undefined,
): Omit<Transition, 'number'> {
  const message = action.kind === 'notify' ? action.notice.event : describeAction(action, after.document);
  const step = 'step' in action ? action.step : after.step;
  const base = { ...actor, event: action.kind, step, weight: after.weight, message };
  return policy === undefined ? base : { ...base, policy };
}

function eventOf({ state: before }: RolloutProgress, { state }: RolloutProgress): string {
  return state.kind === 'running' && before.kind !== 'running' ? 'resumed' : state.kind;
}

/** What the state says of itself. */
export function messageOf({ state }: RolloutProgress): string {
  return 'message' in state ? state.message : '';
}
