import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { AnnouncedWindow } from '../../../base/rollout-metrics';
import { DURATION_BOUNDS_MS, type ReportedCounts, type RolloutMetricsReport } from '../../../base/rollout-metrics';
import type { SubsetMetrics } from '../analysis/metrics-provider';

/** Keeps the latest report of each client, for every service whose rollout this controller drives. In memory only. */
export interface Collector {
  /** The key that reports of this service must carry. */
  keyOf(service: string): string;
  /** Counts this window from now on and drops the reports of another; undefined counts none. */
  open(service: string, window: AnnouncedWindow | undefined): void;
  /** Stops collecting for this service. */
  forget(service: string): void;
  /** Whether the key is right; undefined for a service that is not collected here. */
  isKey(service: string, key: string): boolean | undefined;
  take(service: string, report: RolloutMetricsReport): TakenReport;
  /** Undefined where this window is not the one that is counted. */
  sum(service: string, window: string): CollectedMetrics | undefined;
  /** For metrics and messages. */
  status(): readonly CollectorStatus[];
}

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

export interface CollectorOptions {
  /** Of one window. Default 10,000. */
  readonly maxClients?: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
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

export function createCollector({ maxClients = MAX_CLIENTS, now }: CollectorOptions): Collector {
  const services = new Map<string, Counted>();
  const of = (service: string): Counted => {
    const known = services.get(service);
    if (known !== undefined) return known;
    const key = Buffer.from(randomBytes(24).toString('base64url'));
    const made = { key, window: undefined, latest: new Map(), turnedAway: 0 };
    services.set(service, made);
    return made;
  };
  return {
    keyOf: (service) => of(service).key.toString(),
    open(service, window) {
      const counted = of(service);
      if (counted.window?.id !== window?.id) {
        counted.latest.clear();
        counted.turnedAway = 0;
      }
      counted.window = window;
    },
    forget: (service) => void services.delete(service),
    isKey(service, given) {
      const key = services.get(service)?.key;
      if (key === undefined) return undefined;
      const other = Buffer.from(given);
      return other.length === key.length && timingSafeEqual(other, key);
    },
    take(service, report) {
      const counted = services.get(service);
      if (counted?.window === undefined) return 'closed';
      if (counted.window.id !== report.window) return 'other-window';
      const { latest } = counted;
      const before = latest.get(report.client);
      if (before !== undefined && before.report.number >= report.number) return 'repeated';
      if (before === undefined && latest.size >= maxClients) {
        counted.turnedAway += 1;
        return 'full';
      }
      latest.set(report.client, { report, atMs: now() });
      return 'taken';
    },
    sum(service, window) {
      const counted = services.get(service);
      if (counted?.window === undefined || counted.window.id !== window) return undefined;
      const freshSinceMs = now() - SILENT_REPORTS * counted.window.everyMs;
      const all = [...counted.latest.values()];
      const sumOf = (subset: 'canary' | 'stable'): SubsetMetrics => {
        const open = all.filter(({ report, atMs }) => report[subset].isShed && atMs >= freshSinceMs).length;
        return { ...sumCounts(all.map(({ report }) => report[subset])), openBreakers: open };
      };
      return { clients: all.length, canary: sumOf('canary'), stable: sumOf('stable') };
    },
    status: () =>
      [...services].map(([service, { latest, turnedAway }]) => ({ service, clients: latest.size, turnedAway })),
  };
}

function sumCounts(all: readonly ReportedCounts[]): SubsetMetrics {
  const counts = Array.from({ length: DURATION_BOUNDS_MS.length + 1 }, () => 0);
  let calls = 0;
  let failures = 0;
  let fallbacks = 0;
  let neutral = 0;
  for (const each of all) {
    calls += each.calls;
    failures += each.failures;
    fallbacks += each.fallbacks;
    neutral += each.neutral;
    for (const [index, count] of each.durations.entries()) counts[index] = (counts[index] ?? 0) + count;
  }
  return { calls, failures, fallbacks, neutral, durations: { boundsMs: DURATION_BOUNDS_MS, counts } };
}
