import { shortenMiddle } from '../../../base/shorten';
import { openBackground, rollBack } from '../measurement';
import { type AskedGate, addNotice, type GateMoment, type Passage, type RolloutProgress, without } from '../progress';
import { gatesBefore } from './gate-order';
import { closedSchedule } from './schedule';

/** What a gate said. `message`: for people; it may be absent. */
export interface GateAnswer {
  readonly kind: 'open' | 'closed' | 'refused' | 'error';
  readonly message?: string;
}

/** Time between two questions to a gate that is closed. */
const ASK_EVERY_MS = 10_000;
/** Errors in a row that are borne; one more makes the rollout inconclusive. */
const ERROR_LIMIT = 4;
const MAX_MESSAGE = 200;

/**
 * Holds the rollout before its next step, or before its end, while the schedule is closed or a gate is. A step that has
 * begun is never held. Meanwhile the background checks watch the canary. Pure.
 */
export function holdBeforeStep(
  progress: RolloutProgress,
  nowMs: number,
): { readonly isHeld: boolean; readonly progress: RolloutProgress } {
  const { document, step, stepSinceMs, passage } = progress;
  if (stepSinceMs !== undefined) return { isHeld: false, progress };
  if (passage?.step === step && passage.isWaived) return { isHeld: false, progress: free(progress) };
  const opened = passage?.step === step ? passage.opened : [];
  const closed = closedSchedule(document.schedule, nowMs);
  if (closed !== undefined) {
    if (passage?.step === step && passage.closedUntilMs === closed.untilMs) {
      return { isHeld: true, progress: openBackground(progress, nowMs) };
    }
    const held = { ...progress, waitingFor: closed.message, passage: { step, opened, closedUntilMs: closed.untilMs } };
    return { isHeld: true, progress: openBackground(held, nowMs) };
  }
  const gate = gatesBefore(document, step).find((name) => !opened.includes(name));
  if (gate === undefined) {
    if (passage === undefined) return { isHeld: false, progress };
    const through = free(progress);
    // Kept for a step that is interrupted and begins again.
    return {
      isHeld: false,
      progress: opened.length === 0 ? without(through, 'passage') : { ...through, passage: { step, opened } },
    };
  }
  if (passage?.step === step && passage.asking?.gate === gate) return { isHeld: true, progress };
  const when = step < document.steps.length ? 'before-step' : 'before-promotion';
  return {
    isHeld: true,
    progress: { ...progress, passage: { step, opened, asking: firstQuestion(gate, when, nowMs) } },
  };
}

/** Nothing is waited for any more, and the window of the background checks ends with that. */
function free(progress: RolloutProgress): RolloutProgress {
  return without(progress, 'waitingFor', 'window');
}

/** Lets the step begin that a gate or the schedule holds up; undefined where nothing does. Pure. */
export function waiveHold(progress: RolloutProgress): RolloutProgress | undefined {
  const { state, pending, passage, step, stepSinceMs } = progress;
  if (state.kind !== 'running' || pending.length > 0 || stepSinceMs !== undefined) return undefined;
  if (passage?.step !== step || (passage.asking ?? passage.closedUntilMs) === undefined) return undefined;
  return { ...free(progress), passage: { step, opened: passage.opened, isWaived: true } };
}

/** Begins a step that is a gate. */
export function openGateStep(progress: RolloutProgress, gate: string, nowMs: number): RolloutProgress {
  const { step, passage } = progress;
  const opened = passage?.step === step ? passage.opened : [];
  const asked = { ...progress, passage: { step, opened, asking: firstQuestion(gate, 'step', nowMs) } };
  return openBackground(asked, nowMs);
}

function firstQuestion(gate: string, when: GateMoment, nowMs: number): AskedGate {
  return { gate, when, sinceMs: nowMs, dueMs: nowMs, errors: 0 };
}

/** The gate to ask now; undefined when none is due. Nothing is asked while an action is pending, or in a pause. */
export function wantedGate(progress: RolloutProgress, nowMs: number): AskedGate | undefined {
  const asking = askedGate(progress);
  return asking !== undefined && asking.dueMs <= nowMs ? asking : undefined;
}

/** When the passage goes on by itself; undefined: nothing holds the rollout, or it does not run. */
export function passageWakeMs(progress: RolloutProgress): number | undefined {
  const { state, pending, passage, step } = progress;
  if (state.kind !== 'running' || pending.length > 0 || passage?.step !== step) return undefined;
  return passage.closedUntilMs ?? passage.asking?.dueMs;
}

function askedGate({ state, pending, passage, step }: RolloutProgress): AskedGate | undefined {
  if (state.kind !== 'running' || pending.length > 0 || passage?.step !== step) return undefined;
  return passage.closedUntilMs === undefined ? passage.asking : undefined;
}

/** Applies the answer of the gate that is asked. Follow with `advance()`. Pure. */
export function takeGateAnswer(progress: RolloutProgress, answer: GateAnswer, nowMs: number): RolloutProgress {
  const asking = askedGate(progress);
  const { passage } = progress;
  if (asking === undefined || passage === undefined) return progress;
  const { gate, when } = asking;
  const { step, opened } = passage;
  const said = answer.message === undefined ? '' : `: ${shortenMiddle(answer.message, MAX_MESSAGE)}`;
  switch (answer.kind) {
    case 'open': {
      const through = without(progress, 'waitingFor');
      if (when !== 'step') return { ...through, passage: { step, opened: [...opened, gate] } };
      return { ...without(through, 'window', 'stepSinceMs', 'passage'), step: step + 1 };
    }
    case 'refused':
      return rollBack(without(progress, 'passage'), 'gate', `gate ${gate} refused${said}`, nowMs);
    case 'closed': {
      const waiting = { ...asking, dueMs: nowMs + ASK_EVERY_MS, errors: 0 };
      return wait(progress, { step, opened, asking: waiting }, `gate ${gate} is closed${said}`, nowMs);
    }
    case 'error': {
      const errors = asking.errors + 1;
      const waiting = { ...asking, dueMs: nowMs + ASK_EVERY_MS, errors };
      const message = `gate ${gate} does not answer${said}`;
      if (errors <= ERROR_LIMIT) return wait(progress, { step, opened, asking: waiting }, message, nowMs);
      const asked: RolloutProgress = {
        ...without(progress, 'window', 'waitingFor', 'stepSinceMs'),
        passage: { step, opened },
      };
      const held: RolloutProgress = { ...asked, state: { kind: 'inconclusive', message, sinceMs: nowMs } };
      return addNotice(held, 'inconclusive', message, nowMs);
    }
  }
}

function wait(progress: RolloutProgress, passage: Passage, waitingFor: string, nowMs: number): RolloutProgress {
  return openBackground({ ...progress, passage, waitingFor }, nowMs);
}
