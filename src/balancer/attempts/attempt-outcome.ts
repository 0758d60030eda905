import { type AttemptFacts, classifyAttempt, type Outcome } from '../../breaker/outcome';
import type { Permit } from '../../breaker/permit';
import { NO_PERMIT } from '../../breaker/permit';
import type { Endpoint } from '../endpoints/endpoint';
import type { BalancerHost } from '../host';
import type { Pool } from '../tiers/pool';

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

/** Called when an attempt starts. True when it is the probe of a half-open breaker, or verifies a doubtful endpoint. */
export function beginAttempt(permits: Permits, endpoint: Endpoint, pool: Pool, nowMs: number): boolean {
  const { breaker } = endpoint;
  const subset = pool.subsetBreaker;
  const isVerifying = breaker?.beginVerifying(nowMs) === true;
  permits.endpoint = breaker?.begin(nowMs) ?? NO_PERMIT;
  permits.subset = subset?.begin(nowMs) ?? NO_PERMIT;
  return isVerifying || breaker?.isProbe(permits.endpoint) === true || subset?.isProbe(permits.subset) === true;
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
  facts.usualMs = endpoint.load.usualMs;
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
    if (breaker.isDoubtful !== wasDoubtful) host.endpoints.changed();
  }
  pool.subsetBreaker?.record(permits.subset, outcome, nowMs, facts.latencyMs, end.details);
  return outcome;
}

/** The first response of an attempt has come. */
export function noteResponse(host: BalancerHost, { breaker }: Endpoint): void {
  if (breaker?.isDoubtful !== true) return;
  breaker.heard();
  host.endpoints.changed();
}
