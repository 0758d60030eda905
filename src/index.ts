export type { MethodTimeView } from './balancer/attempts/method-times';
export type { SessionView } from './balancer/endpoints/connection-deps';
export type { ConnectionView } from './balancer/endpoints/endpoint-registry';
export type { SubsetLimitView } from './balancer/limits/subset-limit';
export type { ZonePreferenceView, ZoneView } from './balancer/zones/zone-preference';
export { GraylaneError, type GraylaneErrorCode } from './base/errors';
export type { DuplicateInstance, Instance } from './base/instances';
export type { LogFields, Logger, PinoLogger } from './base/logger';
export type { GuardCounts, GuardView } from './breaker/guard/view';
export type { OutlierFigures, OutlierView } from './breaker/outlier/trial';
export type { BreakerChange, BreakerEvent, BreakerLevel, BreakerState, BreakerView } from './breaker/view';
export { type CallRecorder, type CallRecorderOptions, recordCalls } from './call-recorder';
export type { CallReport, CallReportAttempt, CallReportDecision } from './channel/call-report';
export type { CallScope } from './channel/call-scope';
export type { AgentLoad } from './consul/agent-load';
export type { ConsulOptions, ConsulTlsOptions } from './consul/options';
export type { ProtectionOptions } from './discovery/protection';
export type { StaticInstance } from './discovery/static-instance';
export { createGraylane } from './graylane';
export type { GrpcModule } from './internal/grpc';
export type { Graylane, LaneInspection, TargetOptions } from './lane';
export { type SimulateOptions, simulatePolicy } from './ops/simulation/simulate';
export type {
  SimulatedChange,
  SimulatedMove,
  SimulatedRoute,
  SimulatedShare,
  SimulationReport,
} from './ops/simulation/simulation-report';
export type { FileReference, GraylaneOptions } from './options';
export { definePolicy } from './policy/define-policy';
export type * from './policy/document';
export type { TierKind } from './policy/membership/tiers';
export type { DecidedBy, ForceSelector, PlannedTier, PolicyOrigin, PolicyProblem, RetryPlan } from './policy/plan';
export { PolicyError } from './policy/policy-error';
export type { CallRecord } from './policy/routing/call-record';
export type {
  ExplainedDecision,
  ExplainedOverride,
  ExplainedRoute,
  RoutingExplanation,
} from './policy/routing/explain';
export type { AcceptOptions, ServerInterceptorOptions } from './propagation/accept';
export type { HttpMiddleware, HttpRequest } from './propagation/http-middleware';
export { registerWith } from './register-with';
export type { ClientZoneView } from './resolver/client-zone';
export type {
  DecisionEvent,
  DecisionListener,
  DecisionListenerOptions,
  Subscription,
} from './resolver/decision-feed';
export type { ExplainedEndpoint, ExplainedTier, ExplainRequest, Explanation } from './resolver/explain';
export type {
  DatacenterInspection,
  EndpointInspection,
  LookupInspection,
  PolicyInspection,
  ServiceInspection,
} from './resolver/inspect';
export type { LaneBreakerChange, LaneBreakers, LaneBreakerView } from './resolver/lane-breakers';
export type { LaneMode } from './resolver/policy-state';
export type { PolicyMode } from './resolver/target';
export { type DrainReport, drainServer } from './server/drain';
export type { DrainableServer, DrainOptions, HealthReporter } from './server/drain-options';
export type { CheckKind, InstanceCheck } from './server/instance-check';
export type { InstanceOptions } from './server/instance-options';
export { registerInstance } from './server/register-instance';
export type { Registration, RegistrationState, StopReport } from './server/registration';
export { type SignalOptions, stopOnSignals } from './server/stop-on-signals';
export type { AdminHandler } from './telemetry/admin-handler';
export type { TelemetryOptions } from './telemetry/lane-telemetry';
export type { CallLogFields } from './telemetry/log-fields';
