export type { BreakerChange, BreakerEvent, BreakerLevel, BreakerState, BreakerView } from './breaker/view';
export type { CallReport, CallReportAttempt, CallReportDecision } from './channel/call-report';
export type { CallScope } from './channel/call-scope';
export type { ConsulOptions, ConsulTlsOptions } from './discovery/consul/options';
export type { StaticInstance } from './discovery/static-instance';
export { GraylaneError, type GraylaneErrorCode } from './errors';
export { createGraylane, registerWith } from './graylane';
export type { LogFields, Logger } from './internal/logger';
export type { Graylane, LaneInspection, TargetOptions } from './lane';
export type { FileReference, GraylaneOptions } from './options';
export { definePolicy } from './policy/define-policy';
export type * from './policy/document';
export type { ForceSelector, PlannedTier, PolicyOrigin, PolicyProblem } from './policy/plan';
export { PolicyError } from './policy/policy-error';
export type { ExplainedEndpoint, ExplainedTier, ExplainRequest, Explanation } from './resolver/explain';
export type {
  DatacenterInspection,
  EndpointInspection,
  LookupInspection,
  PolicyInspection,
  ServiceInspection,
} from './resolver/inspect';
export type { LaneBreakerChange, LaneBreakers, LaneBreakerView } from './resolver/lane-breakers';
export type { PolicyMode } from './resolver/target';
export type {
  ExplainedDecision,
  ExplainedOverride,
  ExplainedRoute,
  RoutingExplanation,
} from './routing/explain';
