import { openCallPath } from './call-path';
import { decisionCases } from './decision';
import { type Measurement, type MeasureOptions, measure } from './harness';
import { pickCases } from './pick-cases';

export const SHORT: MeasureOptions = { rounds: 15, batchMs: 2 };
export const FULL: MeasureOptions = { rounds: 41, batchMs: 10 };

/** Measures everything, all cases interleaved. */
export async function runSuite(options: MeasureOptions): Promise<Measurement[]> {
  const path = await openCallPath();
  try {
    return measure([...pickCases([10, 1_000, 10_000]), ...decisionCases([1, 20, 1_000]), ...path.cases], options);
  } finally {
    await path.close();
  }
}
