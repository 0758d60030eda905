import { openCallPath } from './call-path';
import { contextCases } from './context-cases';
import { decisionCases } from './decision';
import { type Measurement, type MeasureOptions, measure } from './harness';
import { peakEwmaPicker, pickCases, pickGroup } from './pick-cases';
import { pickAndRecordCases, recordCases } from './record-cases';
import { xdsCases } from './xds-pickers';

export const SHORT: MeasureOptions = { rounds: 15, batchMs: 2 };
export const FULL: MeasureOptions = { rounds: 41, batchMs: 10 };

const SIZES: readonly number[] = [10, 1_000, 10_000];

/** Measures everything, all cases interleaved. */
export async function runSuite(options: MeasureOptions): Promise<Measurement[]> {
  const path = await openCallPath();
  try {
    const cases = [
      ...pickCases(SIZES),
      ...(await xdsCases(SIZES, pickGroup)),
      ...decisionCases([1, 20, 1_000]),
      ...recordCases(),
      ...pickAndRecordCases(peakEwmaPicker(1_000), 1_000),
      ...contextCases(),
      ...path.cases,
    ];
    return measure(cases, options);
  } finally {
    await path.close();
  }
}
