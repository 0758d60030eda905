/**
 * `graylane`: the client. `createGraylane()` opens one; what it takes, gives and throws is named here. Parts of a
 * result are reached through its root, such as `Explanation['tiers'][number]`.
 */
export type { Subscription } from './base/emitter';
export { GraylaneError, type GraylaneErrorCode } from './base/errors';
export type { Instance } from './base/instances';
export type { LogFields, Logger, PinoLogger } from './base/logger';
export type { AdminHandler, AdminHandlerOptions } from './client/admin/admin-handler';
export type { ExplainRequest, Explanation } from './client/admin/explain';
export type { ServiceInspection } from './client/admin/inspect';
export type { ClientInspection, Graylane, TargetOptions } from './client/api';
export type { BreakerState } from './client/breaker/view';
export type { ProtectionOptions } from './client/discovery/protection';
export type { StaticInstance } from './client/discovery/static-instance';
export { createGraylane, registerWith } from './client/graylane';
export type { CallReport, CallScope } from './client/grpc/call-scope';
export type {
  DecisionEvent,
  DecisionListener,
  DecisionListenerOptions,
} from './client/grpc/decision-events';
export type { GrpcModule } from './client/grpc/grpc-js';
export type { PolicyMode } from './client/grpc/target';
export type { FileReference, GraylaneOptions } from './client/options';
export type { AcceptOptions, ServerInterceptorOptions } from './client/propagation/accept';
export type { HttpMiddleware, HttpRequest } from './client/propagation/http-middleware';
export type { ClientBreakerChange, ClientBreakers, ClientBreakerView } from './client/state/client-breakers';
export type { ClientMode } from './client/state/policy-state';
export type { TelemetryOptions } from './client/telemetry/client-telemetry';
export type { CallLogFields } from './client/telemetry/log-fields';
export type { ConsulOptions, ConsulTlsOptions } from './consul/options';
export { definePolicy } from './policy/define-policy';
export type {
  BalancingDocument,
  BreakerDocument,
  GuardDocument,
  LabelMatcherDocument,
  LocalityDocument,
  MatchDocument,
  OverrideDocument,
  PolicyDocument,
  RetryDocument,
  RouteDocument,
  SplitEntryDocument,
  StatusName,
  SubsetBreakerDocument,
  SubsetDocument,
} from './policy/document';
export type { ForceSelector, PolicyProblem } from './policy/plan';
export { PolicyError } from './policy/policy-error';
