import { type DataPoint, type Histogram, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';

class ManualReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

type Labels = Readonly<Record<string, unknown>>;

/** OpenTelemetry's own SDK, collecting when asked. */
export interface Metering {
  readonly provider: MeterProvider;
  collect(): Promise<Collection>;
}

export interface Collection {
  readonly names: readonly string[];
  /** Sum of the points of a metric that carry these labels; a histogram's points count their values. */
  sum(name: string, labels?: Labels): number;
  points(name: string): readonly { readonly labels: Labels; readonly value: number }[];
}

export function startMetering(): Metering {
  const reader = new ManualReader();
  const provider = new MeterProvider({ readers: [reader] });
  return {
    provider,
    async collect() {
      const { resourceMetrics, errors } = await reader.collect();
      if (errors.length > 0) throw errors[0];
      const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
      const points = (name: string): { labels: Labels; value: number }[] =>
        metrics
          .filter(({ descriptor }) => descriptor.name === name)
          .flatMap(({ dataPoints }) => dataPoints as DataPoint<number | Histogram>[])
          .map(({ attributes, value }) => ({
            labels: attributes,
            value: typeof value === 'number' ? value : value.count,
          }));
      return {
        names: metrics.map(({ descriptor }) => descriptor.name),
        points,
        sum: (name, labels = {}) =>
          points(name)
            .filter((point) => Object.entries(labels).every(([key, value]) => point.labels[key] === value))
            .reduce((sum, { value }) => sum + value, 0),
      };
    },
  };
}
