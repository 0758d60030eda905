import { type AttemptFacts, classifyAttempt, type Outcome } from '../../breaker/outcome';
import type { Permit } from '../../breaker/permit';
import { NO_PERMIT } from '../../breaker/permit';
import type { Endpoint } from '../endpoints/endpoint';
import type { BalancerHost } from '../host';
import { patienceMs } from '../probes/probe-limit';
import { isProbeCall } from '../probes/probe-traffic';
import type { Pool } from '../tiers/pool';
import type { RoutedCall } from './routed-call';

/** What an attempt holds of the two breakers that watch it, from its start to its end. */
export interface Permits {
  endpoint: Permit;
  subset: Permit;
}

/** Reused: outcomes are judged one at a time. */
const facts: { -readonly [K in keyof AttemptFacts]: AttemptFacts[K] } = {
  code: 0,
  details: '',
  received: false,
  elapsedMs: 0,
  latencyMs: 0,
  usualMs: 0,
  isStalled: false,
  isGivenUp: false,
  isEndedForPings: false,
  winnerMs: undefined,
};

/**
 * What an attempt finds out by the way. `vouched`: it is the probe of an endpoint whose health check passed; `risky`: the
 * probe of a half-open breaker, or the one that verifies a doubtful endpoint, for want of a health check.
 */
export type Probing = 'no' | 'vouched' | 'risky';

/** Called when an attempt starts. */
export function beginAttempt(
  host: BalancerHost,
  permits: Permits,
  call: RoutedCall,
  endpoint: Endpoint,
  pool: Pool,
  nowMs: number,
): Probing {
  const { breaker } = endpoint;
  const { probeTraffic } = host.endpoints;
  const subset = pool.subsetBreaker;
  const isGood = isProbeCall(call);
  if (isGood) probeTraffic.came(nowMs);
  permits.subset = subset?.begin(nowMs) ?? NO_PERMIT;
  const isTrial = subset?.isProbe(permits.subset) === true;
  if (breaker === undefined) permits.endpoint = NO_PERMIT;
  // Most attempts at an endpoint that has a breaker.
  else if (breaker.state === 'closed' && !breaker.isDoubtful) permits.endpoint = breaker.begin(nowMs);
  else {
    const mayProbe = isGood || probeTraffic.isStreamsOnly(nowMs);
    const patience = call.kind === 'unary' ? patienceMs(host.methodTimes.of(call.method), endpoint, pool) : 0;
    const isVouched = breaker.isVouched(nowMs);
    const isVerifying = mayProbe && breaker.beginVerifying(nowMs, patience);
    permits.endpoint = breaker.begin(nowMs, mayProbe, patience);
    if (isVerifying) return 'risky';
    if (breaker.isProbe(permits.endpoint)) return isVouched ? 'vouched' : 'risky';
  }
  return isTrial ? 'risky' : 'no';
}

/** How an attempt ended, as grpc-js tells it. */
export interface AttemptEnd {
  readonly code: number;
  readonly details: string;
  readonly responded: boolean;
  readonly isGivenUp: boolean;
  readonly isEndedForPings: boolean;
  readonly startedAtMs: number;
  readonly respondedAtMs: number;
  /** What good answers of its method usually take at its endpoint; 0 when unknown. */
  readonly usualMs: number;
}

/** Judges an ended attempt and tells both breakers. Called once for each attempt that started. */
export function settleAttempt(
  host: BalancerHost,
  permits: Permits,
  endpoint: Endpoint,
  pool: Pool,
  end: AttemptEnd,
  nowMs: number,
): Outcome {
  facts.code = end.code;
  facts.details = end.details;
  facts.received = end.responded;
  facts.elapsedMs = nowMs - end.startedAtMs;
  facts.latencyMs = end.responded ? end.respondedAtMs - end.startedAtMs : facts.elapsedMs;
  facts.usualMs = end.usualMs;
  facts.isGivenUp = end.isGivenUp;
  facts.isEndedForPings = end.isEndedForPings;
  facts.isStalled = host.stall.isStalled(nowMs);
  const outcome = classifyAttempt(facts, pool.breakerPlan);
  const isFailure = outcome === 'failure' || outcome === 'silent';
  if (isFailure && pool.breakerPlan.enabled) host.endpoints.failed(endpoint, pool.breakerPlan);
  const { breaker } = endpoint;
  if (breaker !== undefined) {
    const wasDoubtful = breaker.isDoubtful;
    breaker.record(permits.endpoint, outcome, nowMs, facts.latencyMs, end.details);
    if (breaker.isDoubtful !== wasDoubtful) {
      host.endpoints.checks.look(endpoint, nowMs);
      host.endpoints.changed();
    }
  }
  pool.subsetBreaker?.record(permits.subset, outcome, nowMs, facts.latencyMs, end.details);
  return outcome;
}

/** The first response of an attempt has come. */
export function noteResponse(host: BalancerHost, { breaker }: Endpoint): void {
  if (breaker === undefined || breaker.silentInARow === 0) return;
  const wasDoubtful = breaker.isDoubtful;
  breaker.heard();
  if (wasDoubtful) host.endpoints.changed();
}
