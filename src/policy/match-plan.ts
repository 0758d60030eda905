import type { MethodSet } from './method-set';

export interface MatchPlan {
  readonly path?: PathCondition;
  /** Undefined: every method, as far as `path` lets it. */
  readonly methods: MethodSet | undefined;
  /** ANDed. */
  readonly labels: readonly LabelCondition[];
  /** Empty: no `any`. Otherwise one group must hold whole. */
  readonly any: readonly (readonly LabelCondition[])[];
  readonly sample: SamplePlan | undefined;
  /** Names of callers. Whether one is the plan's `caller` is the same for all its calls. Undefined: every caller. */
  readonly from?: readonly string[];
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
