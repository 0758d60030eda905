import type { BatchObservableResult, ObservableGauge } from '@opentelemetry/api';

export type Labels = Readonly<Record<string, string | number | boolean>>;

/**
 * Writes gauges, and a zero for what was there at the last collection and is not any more: OpenTelemetry's SDK for Node
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
    let points = this.#gauges.get(gauge);
    if (points === undefined) {
      points = new Map();
      this.#gauges.set(gauge, points);
    }
    const key = JSON.stringify(labels);
    const point = points.get(key);
    if (point === undefined) points.set(key, { labels, collection: this.#collection });
    else point.collection = this.#collection;
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
