import {
  type AnnouncedWindow,
  announcementKey,
  encodeAnnouncement,
  REPORT_EVERY_MS,
} from '../../../base/rollout-metrics';
import type { KvOperation, TransactionOutcome } from '../../store/kv';
import { CLIENTS } from '../config/controller-config';
import type { RolloutDocument } from '../document';
import { isWatching, settingsOf } from '../measurement';
import type { RolloutProgress } from '../progress';
import { hasEnded } from '../record';
import type { Collector } from './collector';

/**
 * Tells clients through Consul KV where to report and what to count: one write when the window changes, or the session
 * of this controller does. Written under the session's lock, so that clients see when the controller is gone.
 */
export interface Announcer {
  /**
   * Publishes what clients have to count for this rollout, which this controller leads. Call it after each change of
   * the progress. Resolves when the announcement is written, or when the write has failed: see `status()`.
   */
  announce(service: string, progress: RolloutProgress): Promise<void>;
  /** Another controller leads the rollout, or none does. Writes nothing: the new leader writes. */
  leave(service: string): void;
  /** What this controller has announced for the service. */
  status(service: string): AnnouncementStatus;
  /** Resolves when nothing is being written any more. Clients see by the session that the controller has gone. */
  close(): Promise<void>;
}

interface AnnouncementStatus {
  /** What Consul has. */
  readonly window: AnnouncedWindow | undefined;
  /** When it was written, monotonic milliseconds. */
  readonly sinceMs: number;
  /** Why the announcement is missing or old. */
  readonly problem: string | undefined;
}

export interface AnnouncerDeps {
  readonly collector: Collector;
  /** Where clients reach this controller, without a slash at the end. */
  readonly url: string;
  readonly lease: { readonly session: string | undefined };
  readonly write: (operations: readonly KvOperation[]) => Promise<TransactionOutcome>;
  /** Monotonic, and wall clock; milliseconds. */
  readonly now: () => number;
  readonly wallNow: () => number;
}

interface Announced {
  progress: RolloutProgress;
  /** What Consul has from this controller. */
  written:
    | { readonly text: string; readonly session: string; readonly window: AnnouncedWindow | undefined }
    | undefined;
  sinceMs: number;
  problem: string | undefined;
  writing: Promise<void> | undefined;
  isLeft: boolean;
}

/** Time between two checks whether to write again, and whether an initial delay is over. */
const LOOK_MS = 500;

export function createAnnouncer(deps: AnnouncerDeps): Announcer {
  const { collector, url, lease, write, now, wallNow } = deps;
  const services = new Map<string, Announced>();

  const announceNow = async (service: string, announced: Announced): Promise<void> => {
    const window = countedWindow(announced.progress, wallNow());
    // The collector must be open before the first client reports.
    collector.open(service, window);
    const { session } = lease;
    if (session === undefined) announced.problem = 'no session';
    if (session === undefined || announced.isLeft) return;
    if (announced.writing !== undefined) return announced.writing;
    const text = encodeAnnouncement({ url, key: collector.keyOf(service), window });
    if (announced.written?.text === text && announced.written.session === session) return;
    const operation: KvOperation = { verb: 'lock', key: announcementKey(service), session, value: text };
    announced.writing = write([operation]).then(async (outcome) => {
      announced.writing = undefined;
      announced.problem = outcome.kind === 'done' ? undefined : outcome.reason;
      if (outcome.kind !== 'done') return;
      if (announced.written?.window?.id !== window?.id || announced.written?.session !== session)
        announced.sinceMs = now();
      announced.written = { text, session, window };
      // It may have changed meanwhile.
      if (services.get(service) === announced) await announceNow(service, announced);
    });
    return announced.writing;
  };
  const timer = setInterval(() => {
    for (const [service, announced] of services) void announceNow(service, announced);
  }, LOOK_MS);
  timer.unref();

  return {
    async announce(service, progress) {
      if (!isJudgedByClients(progress)) return;
      const known = services.get(service);
      const announced = known ?? {
        ...{ progress, written: undefined, sinceMs: now(), problem: undefined },
        ...{ writing: undefined, isLeft: false },
      };
      announced.progress = progress;
      services.set(service, announced);
      await announceNow(service, announced);
    },
    leave(service) {
      const announced = services.get(service);
      if (announced === undefined) return;
      announced.isLeft = true;
      services.delete(service);
      collector.forget(service);
    },
    status(service) {
      const announced = services.get(service);
      if (announced === undefined)
        return { window: undefined, sinceMs: now(), problem: 'this controller does not drive it' };
      const { written, sinceMs, problem } = announced;
      return { window: written?.window, sinceMs, problem };
    },
    async close() {
      clearInterval(timer);
      const all = [...services.values()];
      for (const announced of all) announced.isLeft = true;
      services.clear();
      await Promise.all(all.map(({ writing }) => writing));
    },
  };
}

/** Time between two reports, unless the analysis measures more often than twice that. */
const EVERY_MS = 5_000;

/** Whether the rollout is judged by reports of clients. */
export function isJudgedByClients({ document }: { readonly document: RolloutDocument }): boolean {
  return (document.analysis?.provider ?? CLIENTS) === CLIENTS;
}

/** Whether a check of the open window needs metrics of calls. */
export function needsCallMetrics(progress: RolloutProgress): boolean {
  const { window } = progress;
  return window !== undefined && settingsOf(progress, window).checks.some(({ check }) => check !== 'value');
}

/** The window that clients count now; undefined when there is none, or not yet. */
export function countedWindow(progress: RolloutProgress, nowMs: number): AnnouncedWindow | undefined {
  const { window, document } = progress;
  if (window === undefined || nowMs < window.sinceMs || hasEnded(progress) || !isWatching(progress)) return undefined;
  if (!isJudgedByClients(progress) || !needsCallMetrics(progress)) return undefined;
  const { intervalMs } = settingsOf(progress, window);
  const everyMs = Math.round(Math.min(EVERY_MS, Math.max(REPORT_EVERY_MS.min, intervalMs / 2)));
  return { id: windowId(progress), canary: document.canary, stable: document.stable, everyMs };
}

/** The same ID in every controller that leads the rollout. */
export function windowId({ id, windows }: RolloutProgress): string {
  return `${id}/${windows}`;
}
