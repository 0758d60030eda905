export type { Subscription } from './base/emitter';
export { GraylaneError, type GraylaneErrorCode } from './base/errors';
export type { DuplicateInstance, Instance } from './base/instances';
export type { LogFields, Logger, PinoLogger } from './base/logger';
export type { AdminHandler } from './client/admin/admin-handler';
export type { ExplainedEndpoint, ExplainedTier, ExplainRequest, Explanation } from './client/admin/explain';
export type {
  DatacenterInspection,
  EndpointInspection,
  LookupInspection,
  PolicyInspection,
  ServiceInspection,
} from './client/admin/inspect';
export type { ClientInspection, Graylane, TargetOptions } from './client/api';
export type { MethodTimeView } from './client/balancer/attempts/methods';
export type { ConnectionView } from './client/balancer/endpoints/endpoint-registry';
export type { SessionView } from './client/balancer/endpoints/subchannel-lease';
export type { SubsetLimitView } from './client/balancer/limits/subset-limits';
export type { ZonePreferenceView, ZoneView } from './client/balancer/zones/zone-preference';
export type { GuardCounts, GuardView } from './client/breaker/guard/subset-guard';
export type { OutlierFigures, OutlierView } from './client/breaker/outlier/trial';
export type { BreakerChange, BreakerEvent, BreakerLevel, BreakerState, BreakerView } from './client/breaker/view';
export { type CallRecorder, type CallRecorderOptions, recordCalls } from './client/call-recorder';
export type { ProtectionOptions } from './client/discovery/protection';
export type { StaticInstance } from './client/discovery/static-instance';
export { createGraylane, registerWith } from './client/graylane';
export type { CallReport, CallReportAttempt, CallReportDecision, CallScope } from './client/grpc/call-scope';
export type { DecisionEvent, DecisionListener, DecisionListenerOptions } from './client/grpc/decision-events';
export type { GrpcModule } from './client/grpc/grpc-js';
export type { PolicyMode } from './client/grpc/target';
export type { FileReference, GraylaneOptions } from './client/options';
export type { AcceptOptions, ServerInterceptorOptions } from './client/propagation/accept';
export type { HttpMiddleware, HttpRequest } from './client/propagation/http-middleware';
export type { ClientBreakerChange, ClientBreakers, ClientBreakerView } from './client/state/client-breakers';
export type { ClientZoneView } from './client/state/client-zone';
export type { ClientMode } from './client/state/policy-state';
export type { TelemetryOptions } from './client/telemetry/client-telemetry';
export type { CallLogFields } from './client/telemetry/log-fields';
export type { ConsulOptions, ConsulTlsOptions } from './consul/options';
export type { AgentLoad } from './consul/request';
export { type SimulateOptions, simulatePolicy } from './ops/simulation/simulate';
export type {
  SimulatedChange,
  SimulatedMove,
  SimulatedRoute,
  SimulatedShare,
  SimulationReport,
} from './ops/simulation/simulation';
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
export type { DrainableServer, DrainOptions, HealthReporter } from './server/drain';
export { type DrainReport, drainServer } from './server/drain';
export type { CheckKind, InstanceCheck, InstanceOptions } from './server/instance-options';
export type { Registration, RegistrationState, StopReport } from './server/instance-registration';
export { registerInstance } from './server/register-instance';
export { type SignalOptions, stopOnSignals } from './server/stop-on-signals';
