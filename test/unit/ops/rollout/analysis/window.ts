import type { AnalysisWindow } from '../../../../../src/ops/rollout/progress';

/** Of a step, in which nothing was measured yet. */
export const WINDOW: AnalysisWindow = {
  kind: 'step',
  sinceMs: 0,
  dueMs: 0,
  falseAlarmRate: 0.01,
  measured: 0,
  errors: 0,
  undecided: 0,
  failures: {},
  slowCalls: {},
};
