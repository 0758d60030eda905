import type { MatchDocument } from '../../policy/document';
import type { MirrorDocument } from '../../policy/mirror-document';
import type { ApprovalDocument, GateDocument, ScheduleDocument } from './gates/gate-document';

/**
 * A rollout as people write it, JSON or YAML: which subset is raised against which, in what steps, and how each of them
 * is judged. Checked by `validateRollout()`.
 */
export interface RolloutDocument {
  /** Address of the JSON Schema, for editors. Not read. */
  readonly $schema?: string;
  /** Version of this format. Always 1. */
  readonly schema: 1;
  /** Consul service name, whose policy is changed. */
  readonly service: string;
  /** Subset of the policy that the new version is. */
  readonly canary: string;
  /** Subset of the policy that serves today. */
  readonly stable: string;
  /**
   * Route whose split is moved. Default: the last route with a split over both; `rollout`, made at the end, where there
   * is none.
   */
  readonly route?: string;
  /** In order; 1 to 100 of them. */
  readonly steps: readonly RolloutStep[];
  /**
   * A weight rises only while the canary's healthy instances would get at most this many times their fair share of the
   * calls, as `policy apply` judges it. > 0, default 2.
   */
  readonly maxLoadFactor?: number;
  /**
   * After the last step: `keep` leaves the weight at 100 (default), `promote` makes stable what canary is and takes the
   * split back.
   */
  readonly onSuccess?: 'keep' | 'promote';
  /**
   * The name of a deployment in the controller's configuration, such as one of Nomad: it is promoted at the end, after
   * which stable has all calls, the canary's instances among them; it is failed when the canary is taken back. Not
   * beside `onSuccess: keep`.
   */
  readonly deployment?: string;
  /** Defaults of every `analysis` step, and the checks that run during pauses. */
  readonly analysis?: RolloutAnalysisDocument;
  /**
   * Names of hooks in the controller's configuration. They run when the rollout waits for a person, is rolled back or
   * ends.
   */
  readonly notify?: readonly string[];
  /** What is asked before steps, before the end, and told of a rollback. At most 20. */
  readonly gates?: readonly GateDocument[];
  /** When steps may begin. Default: always. */
  readonly schedule?: ScheduleDocument;
}

export type RolloutStep =
  | { readonly setWeight: number }
  | { readonly pause: PauseDocument }
  | { readonly analysis: AnalysisDocument }
  | { readonly setRoute: SetRouteDocument }
  /** The name of a route that an earlier `setRoute` made: it ends here, and not with the rollout. */
  | { readonly clearRoute: string }
  | { readonly setMirror: SetMirrorDocument }
  /** The name of a gate in the controller's configuration: a load test, an acceptance test. Goes on when it opens. */
  | { readonly gate: string }
  | { readonly approval: ApprovalDocument };

export interface PauseDocument {
  /** Milliseconds, > 0. Default: until `resume`. */
  readonly durationMs?: number;
}

/** A route to the canary, strict, before all others: for testers. It ends with the rollout. */
export interface SetRouteDocument {
  /** Unique among the routes of the policy. */
  readonly name: string;
  readonly match: MatchDocument;
}

/**
 * Copies of the calls of the moved route go to the canary, whose answers no caller sees. They end with the rollout, or
 * with a later `setMirror: { percent: 0 }`.
 */
export interface SetMirrorDocument extends Omit<MirrorDocument, 'to' | 'percent'> {
  /** Share of the calls. 0 to 100, in steps of 0.01. */
  readonly percent: number;
}

/** Names as Argo Rollouts and Flagger have them, times in milliseconds. */
export interface AnalysisDocument {
  /** Time between two measurements. >= 100, default 30,000. */
  readonly intervalMs?: number;
  /** Measurements that a verdict takes at least. >= 1, default 5. */
  readonly count?: number;
  /** Time before the first, left out of all figures. >= 0, default 0. */
  readonly initialDelayMs?: number;
  /** Calls of the canary, and of stable, before any verdict of a built-in check. >= 1, default 100. */
  readonly minimumCalls?: number;
  /** Measurements in a row that brought no figures: more of them and the rollout pauses. >= 0, default 4. */
  readonly consecutiveErrorLimit?: number;
  /**
   * Undecided measurements after the first `count`: more of them and the rollout pauses as inconclusive. >= 0, default
   * 10.
   */
  readonly inconclusiveLimit?: number;
  /**
   * What `request-success-rate` takes to pass. `proven` (default): it is shown, with `missRate`, that the canary is not
   * worse than allowed. `unrefuted`: it was not shown to be worse; quicker, and blind where calls are few.
   */
  readonly acceptance?: 'proven' | 'unrefuted';
  /** At least one. Default: those of the document; all three built-in ones if it names none. */
  readonly checks?: readonly CheckDocument[];
}

/** What only the rollout as a whole can say. */
interface RolloutAnalysisDocument extends AnalysisDocument {
  /** True (default): the built-in checks also watch during pause steps, and roll back; they pause nothing. */
  readonly background?: boolean;
  /**
   * Chance that a canary as good as stable is rolled back by built-in checks in the whole rollout. (0, 0.5], default
   * 0.01.
   */
  readonly falseAlarmRate?: number;
  /** Chance that an analysis accepts a canary that is worse than allowed. (0, 0.5], default 0.01. */
  readonly missRate?: number;
  /**
   * Where the figures of built-in checks come from: the name of a provider in the controller's configuration, which
   * alone says where that is. Default `clients`: what the clients report, where the controller collects it.
   */
  readonly provider?: string;
  /** Status names that are failures, for a Prometheus provider. Default: those of the breaker. */
  readonly failureStatusCodes?: readonly string[];
}

export type CheckDocument = SuccessRateCheck | DurationCheck | BreakerCheck | CompareCheck | ValueCheck;

/**
 * The canary may fail at most `threshold` percentage points more of its attempts than stable does of its own, and at
 * least `minimum` percent of them must succeed. Both hold where both are given.
 */
export interface SuccessRateCheck {
  readonly check: 'request-success-rate';
  /** Percentage points, (0, 100). Default 1, where `minimum` is not given either. */
  readonly threshold?: number;
  /** Percent of the canary's attempts, (0, 100), whatever stable does. Default: no such limit. */
  readonly minimum?: number;
}

/**
 * The canary's quantile may be at most `factor` times that of stable, and at most `maximumMs`. Both hold where both are
 * given.
 */
export interface DurationCheck {
  readonly check: 'request-duration';
  /** Default `p99`. */
  readonly quantile?: 'p50' | 'p95' | 'p99';
  /** >= 1. Default 1.5, where `maximumMs` is not given either. */
  readonly factor?: number;
  /** Milliseconds, > 0, whatever stable does. Default: no such limit. */
  readonly maximumMs?: number;
}

/**
 * Fails while a client holds the canary's subset breaker open, or when its fallback serves more of its calls than it
 * does.
 */
export interface BreakerCheck {
  readonly check: 'breaker-open';
  /** Measurements in one analysis that may fail. >= 0, default 0. */
  readonly failureLimit?: number;
}

/**
 * Of the calls whose answer is compared with that of their copy to the canary (`mirror` with `compare` of a route), at
 * most `maximum` percent may differ. Needs a provider, and no other calls of the canary.
 */
export interface CompareCheck {
  readonly check: 'mirror-compare';
  /** Percent, (0, 100). Default 0.1. */
  readonly maximum?: number;
}

/** A value of your own, compared by conditions. */
export interface ValueCheck {
  readonly check: 'value';
  /** Unique in its list. */
  readonly name: string;
  /** The name of a provider in the controller's configuration. */
  readonly provider: string;
  /**
   * In PromQL, for a Prometheus provider and no other: a scalar, or a vector of one sample. `{{service}}`,
   * `{{canary}}`, `{{stable}}` and `{{window}}` (such as `90s`) are filled in. Its value is `result`. With
   * `{{subset}}` in it the query is asked once for each of the two subsets, and its values are `canary` and `stable`.
   */
  readonly query?: string;
  /**
   * Such as `result < 0.05`, or `canary <= stable * 1.5 and canary < 200` of a query with `{{subset}}`. At least one of
   * the two conditions.
   */
  readonly successCondition?: string;
  /** Beats `successCondition`. Neither holds, with both given: undecided. */
  readonly failureCondition?: string;
  /** Measurements in one analysis that may fail. >= 0, default 0. */
  readonly failureLimit?: number;
}
