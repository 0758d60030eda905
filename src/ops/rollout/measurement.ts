import { defined } from '../../base/defined';
import { judge } from './analysis/judge';
import {
  type AnalysisSettings,
  falseAlarmPart,
  nameOfCheck,
  resolveAnalysis,
  resolveBackground,
} from './analysis/settings';
import type { FailedMeasurement, Measurement, MeasureRequest } from './analysis/subset-metrics';
import type { AnalysisResult, Verdict } from './analysis/verdict';
import { rollbackGates } from './gates/gate-order';
import {
  type AbortReason,
  type AnalysisWindow,
  addAction,
  addNotice,
  isPlannedPause,
  type RolloutProgress,
  without,
} from './progress';

/** Opens a new window for the present step; all counts start at zero. */
export function openWindow(
  progress: RolloutProgress,
  kind: AnalysisWindow['kind'],
  settings: AnalysisSettings,
  nowMs: number,
): RolloutProgress {
  const sinceMs = nowMs + settings.initialDelayMs;
  return {
    ...progress,
    windows: progress.windows + 1,
    window: {
      kind,
      sinceMs,
      dueMs: sinceMs + settings.intervalMs,
      falseAlarmRate: falseAlarmPart(progress.document, progress.windows),
      measured: 0,
      errors: 0,
      undecided: 0,
      failures: {},
      slowCalls: {},
    },
  };
}

/** Opens the window of the background checks where none is open, unless the canary has no calls. */
export function openBackground(progress: RolloutProgress, nowMs: number): RolloutProgress {
  const background = resolveBackground(progress.document);
  if (background === undefined || progress.weight === 0 || progress.window !== undefined) return progress;
  return openWindow(progress, 'background', background, nowMs);
}

/** The settings of the open window. */
export function settingsOf({ document, step }: RolloutProgress, window: AnalysisWindow): AnalysisSettings {
  if (window.kind === 'background') return resolveBackground(document) ?? resolveAnalysis(document);
  const at = document.steps[step];
  return resolveAnalysis(document, at !== undefined && 'analysis' in at ? at.analysis : {});
}

const RESULTS_KEPT = 20;
/** So long a deployment is tried to be failed: the canary has no calls any more. */
const FAIL_WITHIN_MS = 600_000;

/**
 * What to measure now; undefined when nothing is due. Nothing is measured while an action is pending, or while a person
 * or a foreign change has paused the rollout.
 */
export function wantedMeasurement(progress: RolloutProgress, nowMs: number): MeasureRequest | undefined {
  const { window, document } = progress;
  if (window === undefined || !isWatching(progress) || nowMs < window.dueMs) return undefined;
  const { service, canary, stable } = document;
  const checks = settingsOf(progress, window).checks.filter((check) => check.check === 'value');
  return { service, canary, stable, sinceMs: window.sinceMs, nowMs, ...(checks.length === 0 ? {} : { checks }) };
}

export function isWatching({ state, pending, window }: RolloutProgress): boolean {
  if (window === undefined || pending.length > 0) return false;
  return state.kind === 'running' || isPlannedPause(state);
}

/**
 * Applies one measurement to the rollout: counts it, and rolls back, pauses or ends the step when its verdict says so.
 */
export function takeMeasurement(
  progress: RolloutProgress,
  measurement: Measurement | FailedMeasurement,
  nowMs: number,
): RolloutProgress {
  const { window } = progress;
  if (window === undefined || !isWatching(progress)) return progress;
  const settings = settingsOf(progress, window);
  const stable = 'error' in measurement ? undefined : measurement.stable;
  if ('error' in measurement && measurement.wholeFromMs !== undefined && measurement.wholeFromMs > window.sinceMs) {
    return reopenWindow(progress, window, settings, measurement.wholeFromMs, measurement.error, nowMs);
  }
  const isWhole = progress.weight >= 100;
  const judged = judge(settings, measurement, window, isWhole ? progress.baseline : undefined, nowMs);
  const { result } = judged;
  const counted = countMeasurement(window, result.verdict, settings.count);
  const next: RolloutProgress = {
    ...progress,
    results: [...progress.results, result].slice(-RESULTS_KEPT),
    ...(!isWhole && stable !== undefined && stable.calls >= settings.minimumCalls ? { baseline: stable } : {}),
    window: {
      ...counted,
      failures: judged.failures,
      slowCalls: judged.slowCalls,
      dueMs: nowMs + settings.intervalMs,
    },
  };
  if (result.verdict === 'fail') return rollBack(next, 'analysis', describe(result, 'fail'), nowMs, result);
  if (window.kind === 'background') return next;
  if (counted.errors > settings.consecutiveErrorLimit) {
    const message = `no figures ${counted.errors} times in a row: ${describe(result, 'error')}`;
    return pauseInconclusive(next, message, result, nowMs);
  }
  if (counted.undecided > settings.inconclusiveLimit) {
    return pauseInconclusive(next, describe(result, 'undecided'), result, nowMs);
  }
  if (result.verdict !== 'pass' || counted.measured < settings.count) return next;
  return { ...without(next, 'window', 'stepSinceMs'), step: next.step + 1 };
}

/**
 * Counts from a later moment on, because figures are not whole before it. A window of its own, so that looking twice
 * raises no more false alarms than stated; measurements without figures in a row go on being counted.
 */
function reopenWindow(
  progress: RolloutProgress,
  { kind, errors }: AnalysisWindow,
  settings: AnalysisSettings,
  sinceMs: number,
  message: string,
  nowMs: number,
): RolloutProgress {
  const checks = settings.checks.map((check) => ({ check: nameOfCheck(check), verdict: 'error' as const, message }));
  const result: AnalysisResult = { atMs: nowMs, verdict: 'error', checks };
  const told = { ...progress, results: [...progress.results, result].slice(-RESULTS_KEPT) };
  const next = openWindow(told, kind, { ...settings, initialDelayMs: 0 }, sinceMs);
  if (next.window === undefined) return next;
  const counted = { ...next.window, errors: errors + 1, dueMs: Math.max(nowMs, next.window.dueMs) };
  if (kind === 'step' && counted.errors > settings.consecutiveErrorLimit) {
    return pauseInconclusive(next, `no figures ${counted.errors} times in a row: ${message}`, result, nowMs);
  }
  return { ...next, window: counted };
}

/** Ends the rollout; its action sets the weight to 0 in one write. */
export function rollBack(
  progress: RolloutProgress,
  why: AbortReason,
  message: string,
  nowMs: number,
  result?: AnalysisResult,
): RolloutProgress {
  const withResult = defined({ result });
  const aborted: RolloutProgress = {
    // Pending actions must not be done after the rollback.
    ...without(progress, 'window', 'waitingFor', 'passage'),
    pending: [],
    state: { kind: 'aborted', why, message, ...withResult, atMs: nowMs },
  };
  const gates = rollbackGates(progress.document);
  const back = addAction(aborted, { kind: 'rollback', message, ...withResult });
  const failed =
    progress.deployment === undefined
      ? back
      : addAction(back, { kind: 'deployment', verb: 'fail', untilMs: nowMs + FAIL_WITHIN_MS });
  const told = gates.reduce((next, gate) => addAction(next, { kind: 'gate', gate, message }), failed);
  return addNotice(told, 'aborted', message, nowMs, result);
}

function pauseInconclusive(
  progress: RolloutProgress,
  message: string,
  result: AnalysisResult,
  nowMs: number,
): RolloutProgress {
  const held: RolloutProgress = {
    ...without(progress, 'window'),
    state: { kind: 'inconclusive', message, result, sinceMs: nowMs },
  };
  return addNotice(held, 'inconclusive', message, nowMs, result);
}

function countMeasurement(window: AnalysisWindow, verdict: Verdict, count: number): AnalysisWindow {
  if (verdict === 'error') return { ...window, errors: window.errors + 1 };
  const measured = window.measured + 1;
  const isLate = measured > count;
  return { ...window, errors: 0, measured, undecided: window.undecided + (verdict === 'undecided' && isLate ? 1 : 0) };
}

/** The checks with this verdict, as text. */
function describe({ checks }: AnalysisResult, verdict: Verdict): string {
  return checks
    .filter((check) => check.verdict === verdict)
    .map((check) => `${check.check}: ${check.message}`)
    .join('; ');
}
