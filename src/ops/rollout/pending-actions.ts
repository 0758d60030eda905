import type { AnalysisResult } from './analysis/verdict';
import type { Advanced, RolloutAction, RolloutNotice, RolloutProgress } from './progress';

type Unnumbered = RolloutAction extends infer Each
  ? Each extends RolloutAction
    ? Omit<Each, 'number'>
    : never
  : never;

export function advanced(progress: RolloutProgress): Advanced {
  return { progress, actions: doable(progress) };
}

/** While a person or a foreign change has paused the rollout, people are told and nothing else is done. */
export function doable({ state, pending }: RolloutProgress): readonly RolloutAction[] {
  if (state.kind !== 'paused' || state.why === 'step') return pending;
  return pending.filter(({ kind }) => kind === 'notify');
}

/** Adds an action after those that wait already. Numbers are never used twice in a rollout. */
export function addAction(progress: RolloutProgress, action: Unnumbered): RolloutProgress {
  const numbered: RolloutAction = { ...action, number: progress.nextAction };
  return { ...progress, nextAction: progress.nextAction + 1, pending: [...progress.pending, numbered] };
}

/** Nobody to tell: no action. */
export function addNotice(
  progress: RolloutProgress,
  event: RolloutNotice['event'],
  message: string,
  nowMs: number,
  result?: AnalysisResult,
): RolloutProgress {
  if (progress.document.notify === undefined) return progress;
  const notice: RolloutNotice = {
    rollout: progress.id,
    service: progress.document.service,
    event,
    message,
    weight: progress.weight,
    ...(result === undefined ? {} : { result }),
    atMs: nowMs,
  };
  return addAction(progress, { kind: 'notify', notice });
}

/** The progress without these keys: absent, since `undefined` does not survive JSON. */
export function without<K extends 'window' | 'stepSinceMs' | 'waitingFor'>(
  progress: RolloutProgress,
  ...keys: readonly K[]
): RolloutProgress {
  const copy: Partial<Record<K, unknown>> & RolloutProgress = { ...progress };
  for (const key of keys) delete copy[key];
  return copy;
}
