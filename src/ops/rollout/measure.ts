import { createMetricsProvider, type MetricsProviderDeps } from './analysis/create-metrics-provider';
import type { FailedMeasurement, Measurement, MeasureRequest } from './analysis/metrics-provider';
import type { RolloutDocument } from './document';

/** Asks the providers that a document names. Never rejects: figures that cannot be had are a measurement without figures. */
export async function measureRollout(
  document: RolloutDocument,
  wanted: MeasureRequest,
  deps: MetricsProviderDeps,
): Promise<Measurement | FailedMeasurement> {
  const provider = createMetricsProvider(document, deps);
  try {
    return await provider.measure(wanted);
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
