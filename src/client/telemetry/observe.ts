import type { BatchObservableResult, ObservableCounter, ObservableGauge } from '@opentelemetry/api';
import { ofKey } from '../../base/of-key';
import * as names from './attributes';
import { statusText } from './attributes';
import type { Counts } from './counts';
import type { Instruments } from './instruments';

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
  for (const [fault, kinds] of counts.faults.hits) {
    for (const [kind, count] of kinds) {
      sums.add(counters.faults, { [names.SERVICE]: service, [names.FAULT]: fault, [names.FAULT_KIND]: kind }, count);
    }
  }
  for (const [fault, outcomes] of counts.faults.calls) {
    for (const [outcome, count] of outcomes) {
      const of = { [names.SERVICE]: service, [names.FAULT]: fault, [names.OUTCOME]: outcome };
      sums.add(counters.faultCalls, of, count);
    }
  }
  for (const { counter, labels, count } of counts.mirrored.rows) {
    sums.add(counters[counter], { [names.SERVICE]: service, ...labels }, count);
  }
  sums.write();
  result.observe(counters.policyApplied, counts.policiesApplied, { [names.SERVICE]: service });
  result.observe(counters.policyRejected, counts.policiesRejected, { [names.SERVICE]: service });
  result.observe(counters.retriesRefused, counts.retriesRefused, { [names.SERVICE]: service });
}

/** Where the gauges go. `base`: the labels that all of them have. */
export interface GaugeTarget {
  readonly book: GaugeBook;
  readonly gauges: Instruments['gauges'];
  readonly base: Readonly<Record<string, string>>;
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
