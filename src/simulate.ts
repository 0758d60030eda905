/**
 * `graylane/simulate`: what a policy would do. Records the calls of a running client, and runs the code that decides
 * over them, or over made-up calls, before the policy is written.
 */
export { type CallRecorder, type CallRecorderOptions, recordCalls } from './client/call-recorder';
export { type SimulateOptions, simulatePolicy } from './ops/simulation/simulate';
export type {
  SimulatedChange,
  SimulatedMove,
  SimulatedRoute,
  SimulatedShare,
  SimulationReport,
} from './ops/simulation/simulation';
export type { CallRecord } from './policy/routing/call-record';
