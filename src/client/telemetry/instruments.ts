import type { Histogram, Meter, ObservableCounter, ObservableGauge } from '@opentelemetry/api';

/** Seconds; as OpenTelemetry advises for RPC durations. */
const CALL_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
/** Seconds, from a tenth of a microsecond on. */
const WORK_BOUNDARIES = [1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 1e-3];

/** Every instrument of this library. Names, units and labels are described in docs/observability.md. */
export interface Instruments {
  readonly callDuration: Histogram;
  readonly decisionDuration: Histogram;
  readonly pickDuration: Histogram;
  readonly mirrorDuration: Histogram;
  readonly counters: Readonly<Record<keyof typeof COUNTERS, ObservableCounter>>;
  readonly gauges: Readonly<Record<keyof typeof GAUGES, ObservableGauge>>;
}

// Name, unit, description. Units in braces, so that no exporter puts one into the name.
const COUNTERS = {
  picks: ['graylane.picks', '{pick}', 'Endpoints picked for an attempt'],
  zonePicks: [
    'graylane.zone.picks',
    '{pick}',
    'Endpoints picked in the local datacenter, by whether that left the zone',
  ],
  attempts: ['graylane.attempts', '{attempt}', 'Attempts that ended, by status'],
  failovers: ['graylane.failovers', '{attempt}', 'Attempts sent to a later tier than the wanted one'],
  fallbacks: ['graylane.fallbacks', '{attempt}', 'Attempts sent to the fallback of the wanted subset'],
  panic: ['graylane.panic', '{attempt}', 'Attempts sent to anybody connected, since nobody was fit to serve'],
  openings: ['graylane.breaker.openings', '{opening}', 'Times that a breaker opened'],
  limitRefused: ['graylane.limit.refused', '{call}', 'Calls refused because a subset was full, by its limits'],
  faults: ['graylane.faults', '{attempt}', 'Attempts that a fault of the policy hit'],
  faultCalls: ['graylane.fault.calls', '{call}', 'Calls that a fault of the policy concerns, by what became of them'],
  policyApplied: ['graylane.policy.applied', '{revision}', 'Policy revisions put in force'],
  policyRejected: ['graylane.policy.rejected', '{revision}', 'Policy revisions refused'],
  retriesRefused: ['graylane.retry.refused', '{retry}', 'Retries and hedges not made because the budget was spent'],
  mirrorCopies: ['graylane.mirror.copies', '{copy}', 'Copies of calls that ended, by status'],
  mirrorDropped: ['graylane.mirror.dropped', '{copy}', 'Copies of calls that were not made, or not to their end'],
  mirrorCompared: ['graylane.mirror.compared', '{call}', 'Calls whose answer was compared with that to their copy'],
  mirrorDifferences: ['graylane.mirror.differences', '{call}', 'Compared calls that differ in a flagged field'],
} as const;

const GAUGES = {
  breakerState: ['graylane.breaker.state', '{breaker}', 'Breakers in each state'],
  guard: ['graylane.guard', '{guard}', '1 while the guard of a subset sheds it'],
  faultStopped: ['graylane.fault.stopped', '{fault}', '1 for a fault of the policy that its stopAbove has stopped'],
  endpoints: ['graylane.endpoints', '{endpoint}', 'Endpoints in each state'],
  staleness: ['graylane.discovery.staleness', 's', 'Age of what is known of the instances; 0 while fresh'],
  watch: ['graylane.discovery.watch', '{watch}', '1 for the state that the watch of a datacenter is in'],
  policyIndex: [
    'graylane.policy.index',
    '{index}',
    'Consul index of the policy in force, and of the last one rejected; 0: none',
  ],
  policyRevision: [
    'graylane.policy.revision',
    '{revision}',
    'The revision in force as a number: its 12 hexadecimal digits',
  ],
  policyStaleness: ['graylane.policy.staleness', 's', 'Age of what is known of the policy; 0 while it can be read'],
  policyShortfalls: [
    'graylane.policy.shortfalls',
    '{shortfall}',
    'Things that the policy in force asks for and cannot have with the instances known; 0: none',
  ],
  retryBudget: ['graylane.retry.budget', '{share}', 'Share of the retry budget that is left'],
  override: ['graylane.override', '{override}', '1 while an override is in force'],
  buildInfo: ['graylane.build_info', '{build}', '1, with the versions as labels'],
  startTime: ['graylane.start_time', 's', 'When the counters of this process began at 0, in seconds since 1970'],
} as const;

export function createInstruments(meter: Meter): Instruments {
  const histogram = (name: string, description: string, explicitBucketBoundaries: number[]): Histogram =>
    meter.createHistogram(name, { unit: 's', description, advice: { explicitBucketBoundaries } });
  return {
    callDuration: histogram('rpc.client.call.duration', 'Duration of calls, retries included', CALL_BOUNDARIES),
    decisionDuration: histogram('graylane.decision.duration', 'Time to decide a call; a sample', WORK_BOUNDARIES),
    pickDuration: histogram('graylane.pick.duration', 'Time to pick an endpoint; a sample', WORK_BOUNDARIES),
    mirrorDuration: histogram('graylane.mirror.duration', 'Duration of copies of calls', CALL_BOUNDARIES),
    counters: each(COUNTERS, (name, options) => meter.createObservableCounter(name, options)),
    gauges: each(GAUGES, (name, options) => meter.createObservableGauge(name, options)),
  };
}

function each<Key extends string, T>(
  described: Readonly<Record<Key, readonly [name: string, unit: string, description: string]>>,
  create: (name: string, options: { readonly unit: string; readonly description: string }) => T,
): Record<Key, T> {
  const keys = Object.keys(described) as Key[];
  return Object.fromEntries(
    keys.map((key) => {
      const [name, unit, description] = described[key];
      return [key, create(name, { unit, description })];
    }),
  ) as Record<Key, T>;
}
