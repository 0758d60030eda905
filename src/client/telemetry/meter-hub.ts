import type { BatchObservableResult, Meter } from '@opentelemetry/api';
import { SDK_VERSION } from '../../base/sdk-version';
import { SERVICE } from './attributes';
import { Counts, ofKey } from './counts';
import { createInstruments, type Instruments } from './instruments';
import { GaugeBook, observeCounts, observeReading, type ServiceReading } from './observe';

/** One service of one client, as collection reads it. */
export interface Collected {
  readonly client: string;
  readonly service: string;
  readonly counts: Counts;
  /** Hands batched values over to their instruments. */
  flush(): void;
  read(): ServiceReading;
}

const BUILD_INFO = { 'graylane.version': SDK_VERSION, 'process.runtime.version': process.version };

/** The instruments of one meter, which clients share: a meter has each instrument once. */
export class MeterHub {
  readonly instruments: Instruments;
  readonly #book = new GaugeBook();
  readonly #services = new Set<Collected>();
  /** Counters never go back: the counts of closed clients stay, by service. */
  readonly #closed = new Map<string, Counts>();
  readonly #refused = new Map<string, number>();
  /** The local datacenter of each service, kept while the service is idle and has none. */
  readonly #local = new Map<string, string>();

  constructor(meter: Meter) {
    this.instruments = createInstruments(meter);
    const { counters, gauges } = this.instruments;
    meter.addBatchObservableCallback(
      (result) => this.#collect(result),
      [...Object.values(counters), ...Object.values(gauges)],
    );
  }

  add(service: Collected): void {
    this.#services.add(service);
  }

  /** The client is closed: its gauges end, its counts stay. */
  remove(service: Collected): void {
    if (!this.#services.has(service)) return;
    service.flush();
    const refused = service.read().retryBudget.refused;
    this.#services.delete(service);
    ofKey(this.#closed, service.service, () => new Counts()).take(service.counts);
    this.#refused.set(service.service, (this.#refused.get(service.service) ?? 0) + refused);
  }

  #collect(result: BatchObservableResult): void {
    const book = this.#book;
    book.begin(result);
    const totals = new Map<string, Total>();
    for (const [service, counts] of this.#closed) {
      const total = totalOf(totals, service);
      total.counts.take(counts);
      total.refused += this.#refused.get(service) ?? 0;
    }
    for (const each of this.#services) {
      // Instruments of the other kind are collected after these.
      each.flush();
      const total = totalOf(totals, each.service);
      total.counts.take(each.counts);
      const reading = each.read();
      total.refused += reading.retryBudget.refused;
      const local = reading.datacenters.find((datacenter) => datacenter.local);
      if (local !== undefined) this.#local.set(each.service, local.datacenter);
      observeReading(book, this.instruments.gauges, each, reading);
    }
    for (const [service, { counts, refused }] of totals) {
      observeCounts(result, this.instruments.counters, service, counts, this.#local.get(service));
      result.observe(this.instruments.counters.retriesRefused, refused, { [SERVICE]: service });
    }
    book.observe(this.instruments.gauges.buildInfo, 1, BUILD_INFO);
    book.end();
  }
}

interface Total {
  readonly counts: Counts;
  refused: number;
}

function totalOf(totals: Map<string, Total>, service: string): Total {
  return ofKey(totals, service, () => ({ counts: new Counts(), refused: 0 }));
}

const hubs = new WeakMap<Meter, MeterHub>();

export function hubOf(meter: Meter): MeterHub {
  let hub = hubs.get(meter);
  if (hub === undefined) {
    hub = new MeterHub(meter);
    hubs.set(meter, hub);
  }
  return hub;
}
