import { type AnalysisSettings, falseAlarmPart, resolveAnalysis, resolveBackground } from './analysis/settings';
import type { AnalysisWindow, RolloutProgress } from './progress';

/** Begins to count afresh, for the step that the progress is at. */
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

/** What the open window judges by. */
export function settingsOf({ document, step }: RolloutProgress, window: AnalysisWindow): AnalysisSettings {
  if (window.kind === 'background') return resolveBackground(document) ?? resolveAnalysis(document);
  const at = document.steps[step];
  return resolveAnalysis(document, at !== undefined && 'analysis' in at ? at.analysis : {});
}
