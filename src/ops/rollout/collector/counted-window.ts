import { type AnnouncedWindow, REPORT_EVERY_MS } from '../../../base/rollout-metrics';
import { settingsOf } from '../analysis-window';
import { CLIENTS } from '../config/controller-config';
import type { RolloutDocument } from '../document';
import type { RolloutProgress } from '../progress';
import { hasEnded } from '../record';
import { isWatching } from '../take-measurement';

/** Unless the analysis measures oftener than twice this. */
const EVERY_MS = 5_000;

/** Whether clients' figures are what a rollout is judged by. */
export function isJudgedByClients({ document }: { readonly document: RolloutDocument }): boolean {
  return (document.analysis?.provider ?? CLIENTS) === CLIENTS;
}

/** Whether the open window has checks that need figures of calls. */
export function needsFigures(progress: RolloutProgress): boolean {
  const { window } = progress;
  return window !== undefined && settingsOf(progress, window).checks.some(({ check }) => check !== 'value');
}

/** What clients are to count now. Undefined: nothing, or not yet. */
export function countedWindow(progress: RolloutProgress, nowMs: number): AnnouncedWindow | undefined {
  const { window, document } = progress;
  if (window === undefined || nowMs < window.sinceMs || hasEnded(progress) || !isWatching(progress)) return undefined;
  if (!isJudgedByClients(progress) || !needsFigures(progress)) return undefined;
  const { intervalMs } = settingsOf(progress, window);
  const everyMs = Math.round(Math.min(EVERY_MS, Math.max(REPORT_EVERY_MS.min, intervalMs / 2)));
  return { id: windowId(progress), canary: document.canary, stable: document.stable, everyMs };
}

/** The same for every controller that drives the rollout. */
export function windowId({ id, windows }: RolloutProgress): string {
  return `${id}/${windows}`;
}
