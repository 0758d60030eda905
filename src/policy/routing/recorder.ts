import type { LabelCondition, OverridePlan, RoutePlan, SamplePlan } from '../plan';

/** Why a route did not match: the condition that failed, the sample that left the call out, or that no `any` group held. */
export type RouteMiss = LabelCondition | SamplePlan | 'any';

/** Listens in on one decision. `explainRouting()` has one; calls have none and pay nothing for it. */
export interface RoutingRecorder {
  overrideSeen(override: OverridePlan, isInForce: boolean): void;
  /** A route that the method leads to was looked at; without `miss` it matched. */
  routeSeen(route: RoutePlan, miss: RouteMiss | undefined): void;
}
