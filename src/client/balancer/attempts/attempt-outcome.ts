import { type AttemptFacts, classifyAttempt, type EndedBy, type Outcome } from '../../breaker/outcome';
import { peerOutcomeOf } from '../../breaker/outlier/failure-shares';
import type { Permit } from '../../breaker/probe-gate';
import { NO_PERMIT } from '../../breaker/probe-gate';
import type { Metadata } from '../../grpc/grpc-js';
import type { Endpoint } from '../endpoints/endpoint';
import type { BalancerHost } from '../host';
import { patienceMs } from '../probes/probe-limit';
import { isProbeCall } from '../probes/probe-traffic';
import type { Pool } from '../tiers/pool';
import type { MethodTime } from './method-times';
import { notePeerLoad, pushbackOf } from './peer-load';
import type { AttemptEnding, RoutedCall } from './routed-call';

const OK = 0;
const RESOURCE_EXHAUSTED = 8;
/** An endpoint that has answered well within this time answers calls, as far as is known. */
const WELL_MS = 1_000;
/** Node's servers take 128 header fields by default, some of which are HTTP's own; others take less. */
const MOST_HEADERS = 90;

/** What an attempt holds of the two breakers that watch it, from its start to its end. */
export interface Permits {
  endpoint: Permit;
  subset: Permit;
}

/** Reused: outcomes are judged one at a time. */
const facts: { -readonly [K in keyof AttemptFacts]: AttemptFacts[K] } = {
  code: 0,
  details: '',
  endedBy: 'peer',
  pushbackMs: undefined,
  rstCode: undefined,
  isSingleResponse: true,
  isAnswerUnusable: false,
  isForeign: false,
  isRequestOversized: false,
  received: false,
  elapsedMs: 0,
  latencyMs: 0,
  usualMs: 0,
  isStalled: false,
  isLoopBusy: false,
  isGivenUp: false,
  isEndedForPings: false,
  isConnectionReplaced: false,
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
  readonly ending: AttemptEnding;
  readonly endedBy: EndedBy;
  readonly rstCode: number | undefined;
  /** Messages received; more than two count as two. */
  readonly messages: number;
  readonly requestHeaders: Metadata | undefined;
  readonly responseHeaders: Metadata | undefined;
  readonly trailers: Metadata | undefined;
  readonly responded: boolean;
  readonly isGivenUp: boolean;
  readonly isEndedForPings: boolean;
  readonly isConnectionReplaced: boolean;
  readonly startedAtMs: number;
  readonly respondedAtMs: number;
  /** What good answers of its method usually take at its endpoint; 0 when unknown. */
  readonly usualMs: number;
  /** Of its method. */
  readonly time: MethodTime;
}

/** Judges an ended attempt and tells both breakers. Called once for each attempt that started. */
export function settleAttempt(
  host: BalancerHost,
  permits: Permits,
  call: RoutedCall,
  endpoint: Endpoint,
  pool: Pool,
  end: AttemptEnd,
  nowMs: number,
): Outcome {
  facts.code = end.code;
  facts.details = end.details;
  facts.endedBy = end.endedBy;
  facts.pushbackMs = end.code === OK ? undefined : pushbackOf(end.trailers);
  facts.rstCode = end.rstCode;
  facts.isSingleResponse = call.isSingleResponse;
  facts.isAnswerUnusable = hasSingleResponse(call) && end.messages !== 1;
  facts.isForeign = end.code !== OK && isForeign(end.responseHeaders);
  facts.isRequestOversized = end.code === RESOURCE_EXHAUSTED && isOversized(end.requestHeaders);
  facts.received = end.responded;
  facts.elapsedMs = nowMs - end.startedAtMs;
  facts.latencyMs = end.responded ? end.respondedAtMs - end.startedAtMs : facts.elapsedMs;
  facts.usualMs = end.usualMs;
  facts.isGivenUp = end.isGivenUp;
  facts.isEndedForPings = end.isEndedForPings;
  facts.isConnectionReplaced = end.isConnectionReplaced;
  facts.isStalled = host.stall.isStalled(nowMs);
  facts.isLoopBusy = host.stall.isTooBusyFor(end.startedAtMs, nowMs);
  const outcome = attribute(host, call, endpoint, pool, end, classifyAttempt(facts, pool.breakerPlan), nowMs);
  call.pushbackMs = facts.pushbackMs;
  call.wasLess = outcome === 'less';
  notePeerLoad(host.endpoints, endpoint, outcome, end.code, facts.pushbackMs, end.trailers, nowMs);
  compareWithPeers(call, endpoint, end, permits, outcome, nowMs);
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

/** Counts it for the comparison with other endpoints. Before the breaker hears of it: a trial's call belongs to its trial. */
function compareWithPeers(
  { hash }: RoutedCall,
  { shares, breaker }: Endpoint,
  { code, time }: AttemptEnd,
  permits: Permits,
  outcome: Outcome,
  nowMs: number,
): void {
  const peerOutcome = peerOutcomeOf(outcome, code);
  if (peerOutcome === 'none') return;
  const trial = breaker?.trial;
  if (trial === undefined) {
    // What was counted nowhere teaches nothing of its method.
    if (shares.record(peerOutcome, time.shares, hash, nowMs)) time.shares.ended(peerOutcome);
  } else if (breaker?.isProbe(permits.endpoint) === true) trial.ended(peerOutcome, time.shares);
}

/** The answer of an attempt that was settled as a success cannot be used. */
export function settleUnusable(host: BalancerHost, call: RoutedCall, details: string): void {
  const { answeredAt: endpoint, answeredIn: pool } = call;
  if (endpoint === undefined || pool === undefined) return;
  const nowMs = host.clock.now();
  if (pool.breakerPlan.enabled) host.endpoints.failed(endpoint, pool.breakerPlan);
  endpoint.shares.recordUnusable(nowMs);
  endpoint.breaker?.recordUnusable(nowMs, 0, details);
  pool.subsetBreaker?.recordUnusable(nowMs, 0, details);
}

/** Known to have one response: headers alone are no answer. */
export function hasSingleResponse({ kind }: RoutedCall): boolean {
  return kind === 'unary' || kind === 'clientStream';
}

/** Whose doing it was: what a method does at every endpoint says nothing of this one. */
function attribute(
  { endpoints: { methods } }: BalancerHost,
  call: RoutedCall,
  endpoint: Endpoint,
  pool: Pool,
  end: AttemptEnd,
  outcome: Outcome,
  nowMs: number,
): Outcome {
  if (outcome === 'success') methods.answered(call.method, endpoint, nowMs);
  else if (outcome === 'silent' && !end.isGivenUp) return methods.silent(call.method, endpoint, end.startedAtMs);
  else if (outcome === 'failure' && end.ending === 'answered' && !facts.isForeign) {
    if (repeats(call, endpoint, pool, end.code, nowMs)) return 'neutral';
    return methods.failed(call.method, endpoint, end.code, nowMs);
  }
  return outcome;
}

/**
 * The call has failed like this at another endpoint before, which has just answered other calls well: it is the request. What
 * the other one was charged is taken back. This one may be a fallback that gets no other calls.
 */
function repeats(call: RoutedCall, endpoint: Endpoint, pool: Pool, code: number, nowMs: number): boolean {
  const { failedAt } = call;
  const isSame = failedAt !== undefined && failedAt !== endpoint && call.failedWith === code;
  if (isSame && nowMs - failedAt.answeredAtMs < WELL_MS) {
    failedAt.shares.forgive(nowMs);
    failedAt.breaker?.forgiveFailure(nowMs);
    call.failedIn?.subsetBreaker?.forgiveFailure(nowMs);
    call.failedAt = undefined;
    return true;
  }
  if (!call.mayRetry) return false;
  call.failedAt = endpoint;
  call.failedIn = pool;
  call.failedWith = code;
  return false;
}

function isForeign(headers: Metadata | undefined): boolean {
  const type = headers?.get('content-type')[0];
  return type !== undefined && !String(type).startsWith('application/grpc');
}

function isOversized(headers: Metadata | undefined): boolean {
  return headers !== undefined && Object.keys(headers.getMap()).length > MOST_HEADERS;
}

/** The first response of an attempt has come. */
export function noteResponse(host: BalancerHost, { breaker }: Endpoint): void {
  if (breaker === undefined || breaker.timeoutsInARow === 0) return;
  const wasDoubtful = breaker.isDoubtful;
  breaker.answered();
  if (wasDoubtful) host.endpoints.changed();
}
