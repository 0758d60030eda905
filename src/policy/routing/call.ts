import type { Clock } from '../../base/clock';
import type { Random } from '../../base/random';
import type { LaneLookup } from '../lanes/lane-lookup';
import type { FaultPlan, ForceSelector, LabelCondition, OverridePlan, RoutePlan, SamplePlan } from '../plan';

/**
 * The labels of one call: the call's metadata, then ambient, then static; the nearest wins. A key that was sent twice
 * counts as absent. Keys are lower-case.
 */
export interface Labels {
  get(key: string): string | undefined;
}

/** Of requests and responses: one of each, or a stream of either or both. */
export type CallKind = 'unary' | 'clientStream' | 'serverStream' | 'bidi';

/** What routing may know of one call. */
export interface RoutingInput {
  /** `/package.Service/Method`. */
  readonly method: string;
  readonly labels: Labels;
  readonly force: ForceSelector | undefined;
  /** Replaces the value of whatever label the route sticks by. */
  readonly stickyKey: string | undefined;
}

/** What deciding left behind besides the Decision; written by `decide()` into an object that the caller owns. */
export interface RoutingOutcome {
  /** The call went by a sticky value rather than by chance. */
  sticky: boolean;
  /** 0..9999 where a split was drawn by bucket; -1 otherwise. */
  bucket: number;
  /** 32-bit hash of the `hashBy` label for ring_hash; -1 without one. */
  hash: number;
  /**
   * Of each subset in the decision's chain, where subsets hash by labels of their own; `hash` is the first. Undefined:
   * `hash` holds for all.
   */
  hashes?: readonly number[] | undefined;
  /** The faults in force that may hit the call's attempts; undefined: none. */
  faults?: readonly FaultPlan[] | undefined;
}

export interface RoutingEnvironment {
  readonly random: Random;
  readonly clock: Clock;
  /** The lanes that have instances; counts under its own plan alone. Left out: calls of all lanes go by the routes. */
  readonly lanes?: LaneLookup | undefined;
}

/**
 * Why a route did not match: the condition that failed, the sample that left the call out, or that no `any` group held.
 */
export type RouteMiss = LabelCondition | SamplePlan | 'any';

/** Listens in on one decision. `explainRouting()` has one; calls have none and pay nothing for it. */
export interface RoutingRecorder {
  overrideSeen(override: OverridePlan, isInForce: boolean): void;
  /** The call's lane has decided: no route is looked at. */
  laneDecided(): void;
  /** A route that the method leads to was looked at; without `miss` it matched. */
  routeSeen(route: RoutePlan, miss: RouteMiss | undefined): void;
}
