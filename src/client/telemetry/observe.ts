import type { BatchObservableResult, ObservableCounter } from '@opentelemetry/api';
import type { BreakerState } from '../breaker/view';
import * as names from './attributes';
import type { Counts } from './counts';
import type { GaugeBook, Labels } from './gauge-book';
import type { Instruments } from './instruments';
import { ENDPOINT_STATES, type ServiceReading } from './reading';
import { statusText } from './status';

const BREAKER_STATES: readonly BreakerState[] = ['closed', 'open', 'halfOpen'];
const WATCH_STATES = ['fresh', 'pending', 'stale'] as const;

/** Writes what was counted of a service, all Graylane clients of the process together. */
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

/** Writes how a service of one Graylane client stands now. */
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
  // Always both, 0 where there is none, so that an alert may compare them.
  book.observe(gauges.policyIndex, Number(policy.index ?? 0), { ...base, [names.STATE]: 'applied' });
  book.observe(gauges.policyIndex, Number(policy.rejectedIndex ?? 0), { ...base, [names.STATE]: 'rejected' });
  const revision = Number.parseInt(policy.revision ?? '', 16);
  if (!Number.isNaN(revision)) book.observe(gauges.policyRevision, revision, base);
  book.observe(gauges.policyStaleness, policy.staleForS, base);
  book.observe(gauges.policyShortfalls, policy.shortfalls, base);
  book.observe(gauges.override, override === undefined ? 0 : 1, base);
}

/** Rows that have the same labels are added up: an instrument takes one value for each set of labels. */
class Sums {
  readonly #result: BatchObservableResult;
  readonly #sums = new Map<ObservableCounter, Map<string, { readonly labels: Labels; value: number }>>();

  constructor(result: BatchObservableResult) {
    this.#result = result;
  }

  add(counter: ObservableCounter, labels: Labels, value: number): void {
    let sums = this.#sums.get(counter);
    if (sums === undefined) {
      sums = new Map();
      this.#sums.set(counter, sums);
    }
    const key = JSON.stringify(labels);
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { labels, value });
    else sum.value += value;
  }

  write(): void {
    for (const [counter, sums] of this.#sums) {
      for (const { labels, value } of sums.values()) this.#result.observe(counter, value, labels);
    }
  }
}
