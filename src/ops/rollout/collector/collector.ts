import { randomBytes, timingSafeEqual } from 'node:crypto';
import { type AnnouncedWindow, DURATION_BOUNDS_MS, type RolloutMetricsReport } from '../../../base/rollout-metrics';
import type { SubsetMetrics } from '../analysis/subset-metrics';

/** `repeated`: the same or a later report is here already. `closed`: no window is counted. */
export type TakenReport = 'taken' | 'repeated' | 'full' | 'other-window' | 'closed';

interface CollectedMetrics {
  /** Clients that have reported so far, including those that have ended since. */
  readonly clients: number;
  readonly canary: SubsetMetrics;
  readonly stable: SubsetMetrics;
}

export interface CollectorStatus {
  readonly service: string;
  readonly clients: number;
  /** Reports of this window that were refused because too many clients report. */
  readonly turnedAway: number;
}

interface Counted {
  readonly key: Buffer;
  window: AnnouncedWindow | undefined;
  readonly latest: Map<string, { readonly report: RolloutMetricsReport; readonly atMs: number }>;
  turnedAway: number;
}

const MAX_CLIENTS = 10_000;
/** A reported breaker counts as open until its client says otherwise, or misses this many reports. */
const SILENT_REPORTS = 3;

/** Keeps the latest report of each client, for every service whose rollout this controller drives. In memory only. */
export class Collector {
  readonly #services = new Map<string, Counted>();
  readonly #now: () => number;
  readonly #maxClients: number;

  /** `now`: monotonic milliseconds. `maxClients`: of one window. */
  constructor(now: () => number, maxClients: number = MAX_CLIENTS) {
    this.#now = now;
    this.#maxClients = maxClients;
  }

  /** The key that reports of this service must carry. */
  keyOf(service: string): string {
    return this.#of(service).key.toString();
  }

  /** Counts this window from now on and drops the reports of another; undefined counts none. */
  open(service: string, window: AnnouncedWindow | undefined): void {
    const counted = this.#of(service);
    if (counted.window?.id !== window?.id) {
      counted.latest.clear();
      counted.turnedAway = 0;
    }
    counted.window = window;
  }

  /** Stops collecting for this service. */
  forget(service: string): void {
    this.#services.delete(service);
  }

  /** Whether the key is right; undefined for a service that is not collected here. */
  isKey(service: string, given: string): boolean | undefined {
    const key = this.#services.get(service)?.key;
    if (key === undefined) return undefined;
    const other = Buffer.from(given);
    return other.length === key.length && timingSafeEqual(other, key);
  }

  take(service: string, report: RolloutMetricsReport): TakenReport {
    const counted = this.#services.get(service);
    if (counted?.window === undefined) return 'closed';
    if (counted.window.id !== report.window) return 'other-window';
    const { latest } = counted;
    const before = latest.get(report.client);
    if (before !== undefined && before.report.number >= report.number) return 'repeated';
    if (before === undefined && latest.size >= this.#maxClients) {
      counted.turnedAway += 1;
      return 'full';
    }
    latest.set(report.client, { report, atMs: this.#now() });
    return 'taken';
  }

  /** Undefined where this window is not the one that is counted. */
  sum(service: string, window: string): CollectedMetrics | undefined {
    const counted = this.#services.get(service);
    if (counted?.window?.id !== window) return undefined;
    const freshSinceMs = this.#now() - SILENT_REPORTS * counted.window.everyMs;
    const sumOf = (subset: 'canary' | 'stable'): SubsetMetrics => {
      const counts = DURATION_BOUNDS_MS.map(() => 0).concat(0);
      const sum = { calls: 0, failures: 0, fallbacks: 0, neutral: 0, openBreakers: 0 };
      const answers = { compared: 0, differing: 0 };
      for (const { report, atMs } of counted.latest.values()) {
        const { isShed, durations, compared = 0, differing = 0, ...others } = report[subset];
        answers.compared += compared;
        answers.differing += differing;
        for (const key of ['calls', 'failures', 'fallbacks', 'neutral'] as const) sum[key] += others[key];
        for (const [index, count] of durations.entries()) counts[index] = (counts[index] ?? 0) + count;
        if (isShed && atMs >= freshSinceMs) sum.openBreakers += 1;
      }
      return { ...sum, ...(answers.compared > 0 && answers), durations: { boundsMs: DURATION_BOUNDS_MS, counts } };
    };
    return { clients: counted.latest.size, canary: sumOf('canary'), stable: sumOf('stable') };
  }

  /** For metrics and messages. */
  status(): readonly CollectorStatus[] {
    return [...this.#services].map(([service, { latest, turnedAway }]) => {
      return { service, clients: latest.size, turnedAway };
    });
  }

  #of(service: string): Counted {
    const known = this.#services.get(service);
    if (known !== undefined) return known;
    const key = Buffer.from(randomBytes(24).toString('base64url'));
    const made = { key, window: undefined, latest: new Map(), turnedAway: 0 };
    this.#services.set(service, made);
    return made;
  }
}
