import type { BatchObservableResult, Meter } from '@opentelemetry/api';
import { ofKey } from '../../base/of-key';
import { SDK_VERSION } from '../../base/sdk-version';
import { CLIENT, SERVICE } from './attributes';
import { Counts } from './counts';
import { createInstruments, type Instruments } from './instruments';
import { GaugeBook, type GaugeTarget, observeCounts } from './observe';

/** One service of one client, as collection reads it. */
export interface Collected {
  readonly client: string;
  readonly service: string;
  readonly counts: Counts;
  /** Hands batched values over to their instruments. */
  flush(): void;
  /** Writes the gauges, and gives the local datacenter, once it is known. */
  observe(to: GaugeTarget): string | undefined;
}

const BUILD_INFO = { 'graylane.version': SDK_VERSION, 'process.runtime.version': process.version };

/** The instruments of one meter, which clients share: a meter has each instrument once. */
export class MeterHub {
  readonly instruments: Instruments;
  /** Tells a reader of counters a new process from one that was not scraped for a while. */
  readonly #startSeconds = Date.now() / 1_000;
  readonly #book = new GaugeBook();
  readonly #services = new Set<Collected>();
  /** Counters never go back: the counts of closed clients stay, by service. */
  readonly #closed = new Map<string, Counts>();
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
    this.#services.delete(service);
    ofKey(this.#closed, service.service, () => new Counts()).take(service.counts);
  }

  #collect(result: BatchObservableResult): void {
    const book = this.#book;
    const { counters, gauges } = this.instruments;
    book.begin(result);
    const totals = new Map<string, Counts>();
    const add = (service: string, counts: Counts): void => ofKey(totals, service, () => new Counts()).take(counts);
    for (const [service, counts] of this.#closed) add(service, counts);
    for (const each of this.#services) {
      // Instruments of the other kind are collected after these.
      each.flush();
      add(each.service, each.counts);
      const base = { [CLIENT]: each.client, [SERVICE]: each.service };
      const local = each.observe({ book, gauges, base });
      if (local !== undefined) this.#local.set(each.service, local);
    }
    for (const [service, counts] of totals) observeCounts(result, counters, service, counts, this.#local.get(service));
    book.observe(gauges.buildInfo, 1, BUILD_INFO);
    book.observe(gauges.startTime, this.#startSeconds, {});
    book.end();
  }
}

const hubs = new WeakMap<Meter, MeterHub>();

export function hubOf(meter: Meter): MeterHub {
  return ofKey(hubs, meter, () => new MeterHub(meter));
}
