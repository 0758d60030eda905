import type { BatchObservableResult, ObservableCounter, ObservableGauge } from '@opentelemetry/api';
import type { BreakerState, BreakerView } from '../breaker/view';
import * as names from './attributes';
import { statusText } from './attributes';
import { type Counts, ofKey } from './counts';
import type { Instruments } from './instruments';

/** The states of endpoints. Each endpoint is in one. */
const ENDPOINT_STATES = ['ready', 'connecting', 'idle', 'failed', 'ejected', 'critical'] as const;
export type EndpointState = (typeof ENDPOINT_STATES)[number];

/** One service of a client as the gauges show it: plain data, read at each collection. */
export interface ServiceReading {
  readonly datacenters: readonly {
    readonly datacenter: string;
    readonly local: boolean;
    readonly freshness: 'fresh' | 'pending' | 'stale';
    /** Seconds since the last good answer, or since the watch began where there was none; 0 when fresh. */
    readonly staleForS: number;
  }[];
  readonly endpoints: readonly {
    readonly subset: string;
    readonly datacenter: string;
    /** It is the subset that calls go to when no route says otherwise. */
    readonly isDefault: boolean;
    readonly states: Readonly<Record<EndpointState, number>>;
  }[];
  readonly breakers: readonly BreakerView[];
  readonly guards: readonly { readonly subset: string; readonly isShedding: boolean }[];
  readonly policy: {
    /** Consul index; undefined where the policy did not come from Consul. */
    readonly index: string | undefined;
    /** Consul index of the last revision that was refused, even if a good one has come since. */
    readonly rejectedIndex: string | undefined;
    readonly revision: string | undefined;
    /** Seconds since it could last be read, or since the watch began where it never was; 0 while it can be read. */
    readonly staleForS: number;
    /** Things that it asks for and cannot have with the instances known now. */
    readonly shortfalls: number;
  };
  readonly retryBudget: {
    /** 1: nothing drawn; 0: spent. */
    readonly left: number;
    /** Retries and hedges refused so far because it was spent. */
    readonly refused: number;
  };
  /** In force now. */
  readonly override: { readonly origin: string; readonly to: string } | undefined;
}

const BREAKER_STATES: readonly BreakerState[] = ['closed', 'open', 'halfOpen'];
const WATCH_STATES = ['fresh', 'pending', 'stale'] as const;

type Labels = Readonly<Record<string, string | number | boolean>>;

/** Writes the counts of a service, of all clients of the process together. */
export function observeCounts(
  result: BatchObservableResult,
  counters: Instruments['counters'],
  service: string,
  counts: Counts,
  local: string | undefined,
): void {
  const sums = new Sums(result);
  for (const row of counts.rows) {
    const { wanted, subset, datacenter, tier, picks, panics, ended } = row;
    const locality = datacenter === local ? 'local' : 'remote';
    const to = { [names.SERVICE]: service, [names.SUBSET]: subset, [names.DATACENTER]: datacenter };
    sums.add(counters.picks, { ...to, [names.TIER]: tier, [names.LOCALITY]: locality }, picks);
    if (datacenter === local) {
      for (const [crossing, count] of [
        ['own', row.inOwnZone],
        ['other', row.inOtherZones],
        ['unknown', row.inNoZone],
      ] as const) {
        if (count > 0) sums.add(counters.zonePicks, { ...to, [names.ZONE_CROSSING]: crossing }, count);
      }
    }
    sums.add(counters.failovers, { ...to, [names.LOCALITY]: locality }, tier > 0 ? picks : 0);
    if (subset !== wanted) {
      sums.add(
        counters.fallbacks,
        { [names.SERVICE]: service, [names.SUBSET]: wanted, [names.SERVED_BY]: subset },
        picks,
      );
    }
    sums.add(counters.panic, to, panics);
    for (const [code, count] of ended.entries()) {
      if (count > 0) sums.add(counters.attempts, { ...to, [names.RPC_STATUS]: statusText(code) }, count);
    }
  }
  for (const { level, subset, datacenter, count } of counts.openings) {
    sums.add(
      counters.openings,
      {
        [names.SERVICE]: service,
        [names.LEVEL]: level,
        [names.DATACENTER]: datacenter,
        ...(level === 'subset' ? { [names.SUBSET]: subset } : {}),
      },
      count,
    );
  }
  for (const [subset, count] of counts.limits) {
    sums.add(counters.limitRefused, { [names.SERVICE]: service, [names.SUBSET]: subset }, count);
  }
  sums.write();
  result.observe(counters.policyApplied, counts.policiesApplied, { [names.SERVICE]: service });
  result.observe(counters.policyRejected, counts.policiesRejected, { [names.SERVICE]: service });
}

/** Writes the gauges of one service of one client. */
export function observeReading(
  book: GaugeBook,
  gauges: Instruments['gauges'],
  of: { readonly client: string; readonly service: string },
  reading: ServiceReading,
): void {
  const base = { [names.CLIENT]: of.client, [names.SERVICE]: of.service };
  for (const { datacenter, freshness, staleForS } of reading.datacenters) {
    const at = { ...base, [names.DATACENTER]: datacenter };
    book.observe(gauges.staleness, staleForS, at);
    for (const state of WATCH_STATES) {
      book.observe(gauges.watch, state === freshness ? 1 : 0, { ...at, [names.STATE]: state });
    }
  }
  for (const { subset, datacenter, isDefault, states } of reading.endpoints) {
    for (const state of ENDPOINT_STATES) {
      book.observe(gauges.endpoints, states[state], {
        ...base,
        [names.SUBSET]: subset,
        [names.DATACENTER]: datacenter,
        'graylane.default': isDefault,
        [names.STATE]: state,
      });
    }
  }
  observeBreakers(book, gauges, base, reading);
  for (const { subset, isShedding } of reading.guards) {
    book.observe(gauges.guard, Number(isShedding), { ...base, [names.SUBSET]: subset });
  }
  observePolicy(book, gauges, base, reading);
  book.observe(gauges.retryBudget, reading.retryBudget.left, base);
}

function observeBreakers(
  book: GaugeBook,
  gauges: Instruments['gauges'],
  base: Readonly<Record<string, string>>,
  { breakers }: ServiceReading,
): void {
  const endpoints: Record<BreakerState, number> = { closed: 0, open: 0, halfOpen: 0 };
  for (const { key, level, state } of breakers) {
    if (level === 'endpoint') {
      endpoints[state] += 1;
      continue;
    }
    const at = key.lastIndexOf('@');
    for (const each of BREAKER_STATES) {
      book.observe(gauges.breakerState, each === state ? 1 : 0, {
        ...base,
        [names.LEVEL]: level,
        [names.SUBSET]: key.slice(0, at),
        [names.DATACENTER]: key.slice(at + 1),
        [names.STATE]: each,
      });
    }
  }
  for (const state of BREAKER_STATES) {
    book.observe(gauges.breakerState, endpoints[state], { ...base, [names.LEVEL]: 'endpoint', [names.STATE]: state });
  }
}

function observePolicy(
  book: GaugeBook,
  gauges: Instruments['gauges'],
  base: Readonly<Record<string, string>>,
  { policy, override }: ServiceReading,
): void {
  // Always both, 0 where there is none, so that an alert can compare them.
  book.observe(gauges.policyIndex, Number(policy.index ?? 0), { ...base, [names.STATE]: 'applied' });
  book.observe(gauges.policyIndex, Number(policy.rejectedIndex ?? 0), { ...base, [names.STATE]: 'rejected' });
  const revision = Number.parseInt(policy.revision ?? '', 16);
  if (!Number.isNaN(revision)) book.observe(gauges.policyRevision, revision, base);
  book.observe(gauges.policyStaleness, policy.staleForS, base);
  book.observe(gauges.policyShortfalls, policy.shortfalls, base);
  book.observe(gauges.override, override === undefined ? 0 : 1, base);
}

/** Adds up rows with the same labels: an instrument takes one value for each set of labels. */
class Sums {
  readonly #result: BatchObservableResult;
  readonly #sums = new Map<ObservableCounter, Map<string, { readonly labels: Labels; value: number }>>();

  constructor(result: BatchObservableResult) {
    this.#result = result;
  }

  add(counter: ObservableCounter, labels: Labels, value: number): void {
    const sums = ofKey(this.#sums, counter, () => new Map());
    ofKey(sums, JSON.stringify(labels), () => ({ labels, value: 0 })).value += value;
  }

  write(): void {
    for (const [counter, sums] of this.#sums) {
      for (const { labels, value } of sums.values()) this.#result.observe(counter, value, labels);
    }
  }
}

/**
 * Writes gauges, and a zero for what is gone since the last collection. Without the zero OpenTelemetry's SDK for Node
 * would go on reporting the last value of a subset that is gone.
 */
export class GaugeBook {
  readonly #gauges = new Map<ObservableGauge, Map<string, { readonly labels: Labels; collection: number }>>();
  #collection = 0;
  #result: BatchObservableResult | undefined;

  begin(result: BatchObservableResult): void {
    this.#collection += 1;
    this.#result = result;
  }

  observe(gauge: ObservableGauge, value: number, labels: Labels): void {
    const points = ofKey(this.#gauges, gauge, () => new Map());
    ofKey(points, JSON.stringify(labels), () => ({ labels, collection: 0 })).collection = this.#collection;
    this.#result?.observe(gauge, value, labels);
  }

  end(): void {
    for (const [gauge, points] of this.#gauges) {
      for (const [key, { labels, collection }] of points) {
        if (collection === this.#collection) continue;
        this.#result?.observe(gauge, 0, labels);
        points.delete(key);
      }
    }
    this.#result = undefined;
  }
}
