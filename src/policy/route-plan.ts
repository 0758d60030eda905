import type { MethodSet } from './method-set';
import type { Decision } from './plan';

/** A route of a plan: which calls, and their shares. Immutable, as all of the plan. */
export interface RoutePlan {
  readonly name: string;
  readonly index: number;
  /** Undefined: every call. */
  readonly match: MatchPlan | undefined;
  readonly split: SplitPlan;
}

export interface MatchPlan {
  readonly path?: PathCondition;
  /** Undefined: every method, as far as `path` lets it. */
  readonly methods: MethodSet | undefined;
  /** ANDed. */
  readonly labels: readonly LabelCondition[];
  /** Empty: no `any`. Otherwise one group must hold whole. */
  readonly any: readonly (readonly LabelCondition[])[];
  readonly sample: SamplePlan | undefined;
}

/** A condition on the method's path that a name or a prefix does not express. */
export interface PathCondition {
  test(path: string): boolean;
  /** For explain: `regex /shop\\..*`, `never (QueryParam)`. */
  readonly describe: string;
}

export interface LabelCondition {
  readonly key: string;
  /**
   * `undefined`: the call has no such label. Never throws. Linear in the value's length: values beyond 1,024 characters
   * never reach the regular expression engine.
   */
  test(value: string | undefined): boolean;
  /** For explain: `in [vip, staff]`. */
  readonly describe: string;
  /** Nothing but these values, as they are, can pass `test`: routes are found by them. Undefined: others can. */
  readonly exact?: readonly string[];
}

export interface SamplePlan {
  readonly by: string;
  readonly percent: number;
  /** True when the value falls into the sample. */
  admits(value: string): boolean;
}

/** Always at least one entry; one entry means that no dice are thrown. */
export interface SplitPlan {
  readonly stickBy: string | undefined;
  readonly entries: readonly SplitEntryPlan[];
  /** True up to three entries: sticky values go by their bucket. False: by rendezvous hashing. */
  readonly isBucketed: boolean;
  /** Bucket 0..9999 of a sticky value. */
  bucketOf(value: string): number;
  /** Entry index of a bucket, for random draws and for splits of up to three entries. */
  entryOf(bucket: number): number;
  /** Entry index of a sticky value (buckets up to three entries, rendezvous hashing from four on). */
  entryOfValue(value: string): number;
}

export interface SplitEntryPlan {
  readonly subset: string;
  readonly weight: number;
  /** Buckets of 10,000. */
  readonly buckets: number;
  readonly decision: Decision;
}
