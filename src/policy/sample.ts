import { BUCKETS, bucketOfHash, hash32, seedOf } from '../base/hash';
import type { SamplePlan } from './plan';

/** A fixed share of a label's values. Grows monotonically with `percent`, and is independent of the route's split. */
export function compileSample(by: string, percent: number, salt: string): SamplePlan {
  const seed = seedOf(salt, 'sample');
  const admitted = Math.round((percent / 100) * BUCKETS);
  return { by, percent, admits: (value) => bucketOfHash(hash32(value, seed)) < admitted };
}
