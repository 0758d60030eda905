import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { full } from './graylane';
import type { Variant } from './variant';

/** Collects when asked; what an exporter then does with it is not the library's. */
class ManualReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

/** Policy, breakers, and an SDK for metrics. grpc-js has none of its own, nor does its instrumentation, to set beside it. */
export function metered(): Variant {
  return async (addresses) => {
    const reader = new ManualReader();
    const meterProvider = new MeterProvider({ readers: [reader] });
    const open = await full({ telemetry: { meterProvider } })(addresses);
    return { ...open, collect: async () => void (await reader.collect()) };
  };
}
