/**
 * `graylane/server`: what a server does with Consul. It registers its instance, keeps its check, and drains before it
 * stops, so that no client loses a call. While it is overloaded it refuses what matters least.
 */

export type { Criticality } from './server/call-queue';
export type { DrainableServer, DrainOptions, HealthReporter } from './server/drain';
export { type DrainReport, drainServer } from './server/drain';
export type { CheckKind, InstanceCheck, InstanceOptions } from './server/instance-options';
export {
  type Registration,
  type RegistrationState,
  registerInstance,
  type StopReport,
} from './server/instance-registration';
export type { ArrivingCall, LoadShedding, LoadSheddingOptions } from './server/load-shedding';
export { loadShedding } from './server/load-shedding';
export { type SignalOptions, stopOnSignals } from './server/stop-on-signals';
