/**
 * `graylane/server`: what a server does with Consul. It registers its instance, keeps its check, and drains before it
 * stops, so that no client loses a call.
 */
export { type DrainReport, drainServer } from './server/drain';
export type { DrainableServer, DrainOptions, HealthReporter } from './server/drain-options';
export type { CheckKind, InstanceCheck } from './server/instance-check';
export type { InstanceOptions } from './server/instance-options';
export { registerInstance } from './server/register-instance';
export type { Registration, RegistrationState, StopReport } from './server/registration';
export { type SignalOptions, stopOnSignals } from './server/stop-on-signals';
