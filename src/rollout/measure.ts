import type { FailedMeasurement, Measurement, MeasureRequest } from './analysis/metrics-provider';
import type { RolloutProgress } from './progress';

export async function measureRollout(
  progress: RolloutProgress,
  _wanted: MeasureRequest,
  _env: Readonly<Record<string, string | undefined>>,
): Promise<Measurement | FailedMeasurement> {
  return { error: `no provider for ${progress.id}` };
}
