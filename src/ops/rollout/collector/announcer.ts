import { type AnnouncedWindow, announcementKey, encodeAnnouncement } from '../../../base/rollout-metrics';
import type { KvOperation, TransactionOutcome } from '../../store/kv-transaction';
import type { RolloutProgress } from '../progress';
import type { Collector } from './collector';
import { countedWindow, isJudgedByClients } from './counted-window';

/**
 * Tells clients through Consul KV where to report and what to count: one write when the window changes, or the session of
 * this controller does. Written under the session's lock, so that clients see when the controller is gone.
 */
export interface Announcer {
  /**
   * This controller drives the rollout, which stands so. Called for each change of it. Resolves when clients were told, or could
   * not be: see `standing()`.
   */
  drive(service: string, progress: RolloutProgress): Promise<void>;
  /** Another controller drives it, or nobody. Nothing is written: who drives it writes. */
  leave(service: string): void;
  /** What clients have been told. */
  standing(service: string): AnnouncementStanding;
  /** Resolves when nothing is being written any more. Clients see by the session that the controller has gone. */
  close(): Promise<void>;
}

interface AnnouncementStanding {
  /** What Consul has. */
  readonly window: AnnouncedWindow | undefined;
  /** When it was written, monotonic milliseconds. */
  readonly sinceMs: number;
  /** Why what should be there is not. */
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

interface Driven {
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

/** So often it is looked whether a write has to be done again, and whether an initial delay is over. */
const LOOK_MS = 500;

export function createAnnouncer(deps: AnnouncerDeps): Announcer {
  const { collector, url, lease, write, now, wallNow } = deps;
  const services = new Map<string, Driven>();

  const look = async (service: string, driven: Driven): Promise<void> => {
    const window = countedWindow(driven.progress, wallNow());
    // Before anybody hears of it.
    collector.open(service, window);
    const { session } = lease;
    if (session === undefined) driven.problem = 'no session';
    if (session === undefined || driven.isLeft) return;
    if (driven.writing !== undefined) return driven.writing;
    const text = encodeAnnouncement({ url, key: collector.keyOf(service), window });
    if (driven.written?.text === text && driven.written.session === session) return;
    const operation: KvOperation = { verb: 'lock', key: announcementKey(service), session, value: text };
    driven.writing = write([operation]).then(async (outcome) => {
      driven.writing = undefined;
      driven.problem = outcome.kind === 'done' ? undefined : outcome.reason;
      if (outcome.kind !== 'done') return;
      if (driven.written?.window?.id !== window?.id || driven.written?.session !== session) driven.sinceMs = now();
      driven.written = { text, session, window };
      // It may have changed meanwhile.
      if (services.get(service) === driven) await look(service, driven);
    });
    return driven.writing;
  };
  const timer = setInterval(() => {
    for (const [service, driven] of services) void look(service, driven);
  }, LOOK_MS);
  timer.unref();

  return {
    async drive(service, progress) {
      if (!isJudgedByClients(progress)) return;
      const known = services.get(service);
      const driven = known ?? {
        ...{ progress, written: undefined, sinceMs: now(), problem: undefined },
        ...{ writing: undefined, isLeft: false },
      };
      driven.progress = progress;
      services.set(service, driven);
      await look(service, driven);
    },
    leave(service) {
      const driven = services.get(service);
      if (driven === undefined) return;
      driven.isLeft = true;
      services.delete(service);
      collector.forget(service);
    },
    standing(service) {
      const driven = services.get(service);
      if (driven === undefined)
        return { window: undefined, sinceMs: now(), problem: 'this controller does not drive it' };
      const { written, sinceMs, problem } = driven;
      return { window: written?.window, sinceMs, problem };
    },
    async close() {
      clearInterval(timer);
      const all = [...services.values()];
      for (const driven of all) driven.isLeft = true;
      services.clear();
      await Promise.all(all.map(({ writing }) => writing));
    },
  };
}
