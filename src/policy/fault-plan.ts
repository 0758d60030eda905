import type { StatusName } from '../base/status-names';
import type { FaultLimitDocument } from './document';
import type { MatchPlan } from './match-plan';

/** A fault of the policy, compiled. Immutable. */
export interface FaultPlan {
  /** Of a fault under `faults` its name; of a route's `route NAME`. */
  readonly name: string;
  /** The calls of this route have it; undefined: those that `match` holds for. */
  readonly route: string | undefined;
  /** Undefined: every call, or every call of the route. */
  readonly match: MatchPlan | undefined;
  /** Only attempts at this subset, as the plan calls it; undefined: at any. */
  readonly in: string | undefined;
  /** Only attempts at this place, as tiers name it; undefined: at any. */
  readonly place: string | undefined;
  /** Undefined: the attempt goes to its server. */
  readonly abort: StatusName | undefined;
  /** Undefined: the attempt begins, or fails, at once. */
  readonly delayMs: number | undefined;
  /** In (0, 100], of attempts. */
  readonly percent: number;
  /** As written. */
  readonly until: string;
  /** Wall-clock milliseconds. */
  readonly untilMs: number;
  readonly stopAbove: Required<FaultLimitDocument> | undefined;
  readonly by: string | undefined;
  readonly reason: string | undefined;
}
