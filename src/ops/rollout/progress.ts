import { defined } from '../../base/defined';
import type { SubsetMetrics } from './analysis/subset-metrics';
import type { AnalysisResult, SlowCalls } from './analysis/verdict';
import type { RolloutDocument, SetMirrorDocument, SetRouteDocument } from './document';

/**
 * The whole state of a rollout, as plain JSON, replaced and never changed. Saved before any action is done, so that
 * another controller can continue from it.
 */
export interface RolloutProgress {
  readonly id: string;
  /** The validated document that the rollout was started with. */
  readonly document: RolloutDocument;
  readonly state: RolloutState;
  /** The step it is at, or `steps.length` when all are done. */
  readonly step: number;
  /**
   * When the step began, or began again; undefined: not yet. Wall clock, milliseconds since 1970, as all times here.
   */
  readonly stepSinceMs?: number;
  /** Share of the canary, percent, that the last `setWeight` asked for. */
  readonly weight: number;
  /** When that weight was confirmed. */
  readonly weightSinceMs?: number;
  /** The analysis that runs: of the step, or in the background. */
  readonly window?: AnalysisWindow;
  /** Windows opened so far. */
  readonly windows: number;
  /** Stable's metrics from when it had enough calls. The canary is compared with them once it has all calls. */
  readonly baseline?: SubsetMetrics;
  /** What stands between the rollout and its next step. */
  readonly passage?: Passage;
  /** Of a document with a `deployment`: the one that brought the canary, once it was found. */
  readonly deployment?: BoundDeployment;
  /** Number of the next action. */
  readonly nextAction: number;
  /** Actions that are not confirmed, in order. No step begins while there are any. */
  readonly pending: readonly RolloutAction[];
  /** What a pending action or the next step waits for, such as capacity or a gate; for people. */
  readonly waitingFor?: string;
  readonly startedAtMs: number;
  /** The latest measurements, oldest first, at most 20: for `status`. */
  readonly results: readonly AnalysisResult[];
}

/** How far the rollout is on its way into the next step. Absent where nothing holds a step up. Plain JSON. */
export interface Passage {
  /** The step that it is of; the number of steps for the end. */
  readonly step: number;
  /** Gates that have opened for this step. */
  readonly opened: readonly string[];
  /** The gate that is asked. */
  readonly asking?: AskedGate;
  /** When the schedule opens, wall clock. */
  readonly closedUntilMs?: number;
  /** A person has let the step begin whatever holds it. */
  readonly isWaived?: true;
}

export interface AskedGate {
  readonly gate: string;
  readonly when: GateMoment;
  /** Asked since. */
  readonly sinceMs: number;
  /** When to ask next. */
  readonly dueMs: number;
  /** Errors in a row. */
  readonly errors: number;
}

/** The deployment that brought the canary: the one that is judged, and no later one of the same job. Plain JSON. */
export interface BoundDeployment {
  readonly id: string;
  /** Of the job. */
  readonly version: number;
}

/**
 * `find`: the deployment whose canary is judged. `look`: what has become of it. `promote`, `fail`: what the rollout ends
 * with. Each may be asked again.
 */
export type DeploymentVerb = 'find' | 'look' | 'promote' | 'fail';

/** `step`: the step itself is the gate. */
export type GateMoment = 'before-step' | 'before-promotion' | 'step';

export type RolloutState =
  | { readonly kind: 'running' }
  | {
      readonly kind: 'paused';
      readonly why: PauseReason;
      readonly message: string;
      readonly sinceMs: number;
      /** Of a pause step with a duration: goes on by itself then. */
      readonly untilMs?: number;
    }
  /** Waits for `resume` (measures afresh), `promote` (takes the step as passed) or `abort`. */
  | {
      readonly kind: 'inconclusive';
      readonly message: string;
      readonly result?: AnalysisResult;
      readonly sinceMs: number;
    }
  | {
      readonly kind: 'aborted';
      readonly why: AbortReason;
      readonly message: string;
      readonly result?: AnalysisResult;
      readonly atMs: number;
    }
  | { readonly kind: 'completed'; readonly atMs: number };

/**
 * `step` is a pause step of the document, `approval` one that waits for an approval; the other reasons are given to
 * `pauseRollout()`.
 */
export type PauseReason = 'step' | 'approval' | 'operator' | 'manual-change' | 'invalid-policy';

/** `gate`: a gate refused. `deployment`: it ended without the canary's promotion. */
export type AbortReason = 'analysis' | 'gate' | 'deployment' | 'operator';

/** A pause that the document asks for: the background checks go on, and so do actions. */
export function isPlannedPause(state: RolloutState): boolean {
  return state.kind === 'paused' && (state.why === 'step' || state.why === 'approval');
}

export interface AnalysisWindow {
  readonly kind: 'step' | 'background';
  /** Figures count from here: initial delay included. */
  readonly sinceMs: number;
  /** Part of the rollout's false alarms that this window may raise. */
  readonly falseAlarmRate: number;
  /** When the next measurement is due. */
  readonly dueMs: number;
  /** Measurements with figures so far. */
  readonly measured: number;
  /** Errors in a row. */
  readonly errors: number;
  /** Undecided ones after the first `count`. */
  readonly undecided: number;
  /** Failed measurements of checks with a `failureLimit`, by name. */
  readonly failures: Readonly<Record<string, number>>;
  /** Of `request-duration` checks, by name. */
  readonly slowCalls: Readonly<Record<string, SlowCalls>>;
}

/**
 * What the controller has to do, in order of `number` and each until it is confirmed. Absolute and idempotent: doing
 * one again after a crash changes nothing.
 */
export type RolloutAction = { readonly number: number } & (
  | { readonly kind: 'setWeight'; readonly weight: number; readonly step: number }
  | { readonly kind: 'setRoute'; readonly route: SetRouteDocument; readonly step: number }
  | { readonly kind: 'clearRoute'; readonly route: string; readonly step: number }
  | { readonly kind: 'setMirror'; readonly mirror: SetMirrorDocument; readonly step: number }
  /** stable := canary, split and testers' route taken out. */
  | { readonly kind: 'promote' }
  /** Weight 0 and testers' route out, in one write; message and result go to the history entry. */
  | {
      readonly kind: 'rollback';
      readonly message: string;
      readonly result?: AnalysisResult;
      /**
       * After the end of the rollout. `promotedIn`: number in the policy's history in which stable became what canary
       * is, which is taken back as well.
       */
      readonly late?: { readonly promotedIn?: number };
    }
  /** The testers' routes out, and the weight left at 100; after a deployment's promotion it is given back. */
  | { readonly kind: 'finish' }
  | { readonly kind: 'notify'; readonly notice: RolloutNotice }
  /** Tells a gate that the canary was taken back, and why. */
  | { readonly kind: 'gate'; readonly gate: string; readonly message: string }
  /** Of the deployment that brought the canary. After `untilMs` a failure is told and no longer tried. */
  | { readonly kind: 'deployment'; readonly verb: Exclude<DeploymentVerb, 'look'>; readonly untilMs?: number }
);

/** At least once: `rollout` and the action's number tell repetitions. */
export interface RolloutNotice {
  readonly rollout: string;
  readonly service: string;
  readonly event: 'inconclusive' | 'aborted' | 'completed' | 'paused';
  readonly message: string;
  readonly weight: number;
  readonly result?: AnalysisResult;
  readonly atMs: number;
}

/*
 * The controller's loop, see `advance.ts` and `measurement.ts`:
 *   1. `wantedMeasurement(progress, nowMs)`: what to measure now, if anything.
 *   2. `advance(progress, measurement | undefined, nowMs)`: save its result (compare-and-set) before doing its actions.
 *   3. Do each of `dueActions(progress)`, then save `confirmAction(progress, number, nowMs)`. Where an action is not
 *      possible yet: `waitFor(progress, why)`, and try again later. Actions wait while a person has paused the rollout.
 *   4. `nextWakeMs(progress)`: when to come back at the latest.
 */

type Unnumbered = RolloutAction extends infer Each
  ? Each extends RolloutAction
    ? Omit<Each, 'number'>
    : never
  : never;

/**
 * The pending actions that may be done now. While a person or a foreign change has paused the rollout, only notices.
 */
export function dueActions({ state, pending }: RolloutProgress): readonly RolloutAction[] {
  if (state.kind !== 'paused' || isPlannedPause(state)) return pending;
  return pending.filter(({ kind }) => kind === 'notify');
}

/** Adds an action after those that wait already. Numbers are never used twice in a rollout. */
export function addAction(progress: RolloutProgress, action: Unnumbered): RolloutProgress {
  const numbered: RolloutAction = { ...action, number: progress.nextAction };
  return { ...progress, nextAction: progress.nextAction + 1, pending: [...progress.pending, numbered] };
}

/** Adds a notice where the document names hooks. */
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
    ...defined({ result }),
    atMs: nowMs,
  };
  return addAction(progress, { kind: 'notify', notice });
}

/** The progress without these keys: absent, since `undefined` does not survive JSON. */
export function without<K extends 'window' | 'stepSinceMs' | 'waitingFor' | 'passage'>(
  progress: RolloutProgress,
  ...keys: readonly K[]
): RolloutProgress {
  const copy: Partial<Record<K, unknown>> & RolloutProgress = { ...progress };
  for (const key of keys) delete copy[key];
  return copy;
}
