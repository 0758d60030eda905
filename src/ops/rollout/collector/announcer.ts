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

/** What this controller has announced for one service. */
interface AnnouncementStatus {
  /** What Consul has. */
  window: AnnouncedWindow | undefined;
  /** When it was written, monotonic milliseconds. */
  sinceMs: number;
  /** Why the announcement is missing or old. */
  problem: string | undefined;
}

interface Announced extends AnnouncementStatus {
  progress: RolloutProgress;
  /** What Consul has from this controller, and by which session. */
  written: { readonly text: string; readonly session: string } | undefined;
  writing: Promise<void> | undefined;
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

/** Time between two checks whether to write again, and whether an initial delay is over. */
const LOOK_MS = 500;

/**
 * Tells clients through Consul KV where to report and what to count: one write when the window changes, or the session
 * of this controller does. Written under the session's lock, so that clients see when the controller is gone.
 */
export class Announcer {
  readonly #deps: AnnouncerDeps;
  readonly #services = new Map<string, Announced>();
  readonly #timer: NodeJS.Timeout;

  constructor(deps: AnnouncerDeps) {
    this.#deps = deps;
    this.#timer = setInterval(() => {
      for (const [service, announced] of this.#services) void this.#write(service, announced);
    }, LOOK_MS).unref();
  }

  /**
   * Publishes what clients have to count for this rollout, which this controller leads. Call it after each change of
   * the progress. Resolves when the announcement is written, or when the write has failed: see `status()`.
   */
  async announce(service: string, progress: RolloutProgress): Promise<void> {
    if (!isJudgedByClients(progress)) return;
    const announced = this.#services.get(service) ?? {
      ...{ progress, window: undefined, sinceMs: this.#deps.now(), problem: undefined },
      ...{ written: undefined, writing: undefined },
    };
    announced.progress = progress;
    this.#services.set(service, announced);
    await this.#write(service, announced);
  }

  async #write(service: string, announced: Announced): Promise<void> {
    const { collector, url, lease, write, now, wallNow } = this.#deps;
    const window = countedWindow(announced.progress, wallNow());
    // The collector must be open before the first client reports.
    collector.open(service, window);
    const { session } = lease;
    if (session === undefined) {
      announced.problem = 'no session';
      return;
    }
    if (announced.writing !== undefined) return announced.writing;
    const text = encodeAnnouncement({ url, key: collector.keyOf(service), window });
    const { written } = announced;
    if (written?.text === text && written.session === session) return;
    const operation: KvOperation = { verb: 'lock', key: announcementKey(service), session, value: text };
    announced.writing = write([operation]).then(async (outcome) => {
      announced.writing = undefined;
      announced.problem = outcome.kind === 'done' ? undefined : outcome.reason;
      if (outcome.kind !== 'done') return;
      if (announced.window?.id !== window?.id || written?.session !== session) announced.sinceMs = now();
      announced.written = { text, session };
      announced.window = window;
      // It may have changed meanwhile.
      if (this.#services.get(service) === announced) await this.#write(service, announced);
    });
    return announced.writing;
  }

  /** Another controller leads the rollout, or none does. Writes nothing: the new leader writes. */
  leave(service: string): void {
    if (this.#services.delete(service)) this.#deps.collector.forget(service);
  }

  status(service: string): Readonly<AnnouncementStatus> {
    const problem = 'this controller does not drive it';
    return this.#services.get(service) ?? { window: undefined, sinceMs: this.#deps.now(), problem };
  }

  /** Resolves when nothing is being written any more. Clients see by the session that the controller has gone. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const all = [...this.#services.values()];
    this.#services.clear();
    await Promise.all(all.map(({ writing }) => writing));
  }
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
