import { type AttemptFacts, classifyAttempt, type EndedBy, type Outcome } from '../../breaker/outcome';
import { peerOutcomeOf } from '../../breaker/outlier/failure-shares';
import { NO_PERMIT, type Permit } from '../../breaker/probe-gate';
import type { AttemptEnding, CallState } from '../../grpc/call-state';
import type { Metadata } from '../../grpc/grpc-js';
import type { BalancerContext } from '../context';
import type { Endpoint } from '../endpoints/endpoint';
import type { EndpointRegistry } from '../endpoints/endpoint-registry';
import type { LoadOutcome } from '../endpoints/load';
import { LOAD_REPORT_KEY, readLoadReport } from '../endpoints/reported-capacity';
import { patienceMs } from '../probes/probe-limit';
import type { Pool } from '../tiers/pool';
import type { MethodTime } from './methods';

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
 * What an attempt finds out by the way. `vouched`: it is the probe of an endpoint whose health check passed; `risky`:
 * the probe of a half-open breaker, or the one that verifies a doubtful endpoint, for want of a health check.
 */
export type Probing = 'no' | 'vouched' | 'risky';

/** Called when an attempt starts. */
export function beginAttempt(
  context: BalancerContext,
  permits: Permits,
  call: CallState,
  endpoint: Endpoint,
  pool: Pool,
  time: MethodTime,
  nowMs: number,
): Probing {
  const { breaker } = endpoint;
  const { endpoints } = context;
  const subset = pool.subsetBreaker;
  const isGood = call.isProbeable;
  if (isGood) endpoints.probeCallAtMs = nowMs;
  permits.subset = subset?.begin(nowMs) ?? NO_PERMIT;
  const isTrial = subset?.isProbe(permits.subset) === true;
  if (breaker === undefined) permits.endpoint = NO_PERMIT;
  // Most attempts at an endpoint that has a breaker.
  else if (breaker.state === 'closed' && !breaker.isDoubtful) permits.endpoint = breaker.begin(nowMs);
  else {
    const mayProbe = isGood || endpoints.isStreamsOnly(nowMs);
    const patience = call.kind === 'unary' ? patienceMs(time, endpoint, pool) : 0;
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
  context: BalancerContext,
  permits: Permits,
  call: CallState,
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
  facts.isAnswerUnusable = call.hasSingleResponse && end.messages !== 1;
  facts.isForeign = end.code !== OK && isForeign(end.responseHeaders);
  facts.isRequestOversized = end.code === RESOURCE_EXHAUSTED && isOversized(end.requestHeaders);
  facts.received = end.responded;
  facts.elapsedMs = nowMs - end.startedAtMs;
  facts.latencyMs = end.responded ? end.respondedAtMs - end.startedAtMs : facts.elapsedMs;
  facts.usualMs = end.usualMs;
  facts.isGivenUp = end.isGivenUp;
  facts.isEndedForPings = end.isEndedForPings;
  facts.isConnectionReplaced = end.isConnectionReplaced;
  facts.isStalled = nowMs > context.stall.trustedUntilMs;
  facts.isLoopBusy = end.code !== OK && context.stall.isTooBusyFor(end.startedAtMs, nowMs);
  const outcome = attribute(context, call, endpoint, pool, end, classifyAttempt(facts, pool.breakerPlan), nowMs);
  call.pushbackMs = facts.pushbackMs;
  call.wasLess = outcome === 'less';
  notePeerLoad(context.endpoints, endpoint, outcome, end.code, facts.pushbackMs, end.trailers, nowMs);
  compareWithPeers(call, endpoint, end, permits, outcome, nowMs);
  const isFailure = outcome === 'failure' || outcome === 'silent';
  if (isFailure && pool.breakerPlan.enabled) context.endpoints.failed(endpoint, pool.breakerPlan);
  const { breaker } = endpoint;
  if (breaker !== undefined) {
    const wasDoubtful = breaker.isDoubtful;
    breaker.record(permits.endpoint, outcome, nowMs, facts.latencyMs, end.details);
    if (breaker.isDoubtful !== wasDoubtful) {
      context.endpoints.checks.look(endpoint, nowMs);
      context.endpoints.changed();
    }
  }
  pool.subsetBreaker?.record(permits.subset, outcome, nowMs, facts.latencyMs, end.details);
  return outcome;
}

/**
 * Counts it for the comparison with other endpoints. Before the breaker hears of it: a trial's call belongs to its
 * trial.
 */
function compareWithPeers(
  { hash }: CallState,
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
export function settleUnusable(context: BalancerContext, call: CallState, details: string): void {
  const { answeredAt: endpoint, answeredIn: pool } = call;
  if (endpoint === undefined || pool === undefined) return;
  const nowMs = context.clock.now();
  if (pool.breakerPlan.enabled) context.endpoints.failed(endpoint, pool.breakerPlan);
  endpoint.shares.recordUnusable(nowMs);
  endpoint.breaker?.recordUnusable(nowMs, 0, details);
  pool.subsetBreaker?.recordUnusable(nowMs, 0, details);
}

/** Whose doing it was: what a method does at every endpoint says nothing of this one. */
function attribute(
  { endpoints: { methods } }: BalancerContext,
  call: CallState,
  endpoint: Endpoint,
  pool: Pool,
  end: AttemptEnd,
  outcome: Outcome,
  nowMs: number,
): Outcome {
  if (outcome === 'success') methods.answered(end.time, endpoint, nowMs);
  else if (outcome === 'silent' && !end.isGivenUp) return methods.silent(end.time, endpoint, end.startedAtMs);
  else if (outcome === 'failure' && end.ending === 'answered' && !facts.isForeign) {
    if (repeats(call, endpoint, pool, end.code, nowMs)) return 'neutral';
    return methods.failed(end.time, endpoint, end.code, nowMs);
  }
  return outcome;
}

/**
 * The call has failed like this at another endpoint before, which has just answered other calls well: it is the
 * request. What the other one was charged is taken back. This one may be a fallback that gets no other calls.
 */
function repeats(call: CallState, endpoint: Endpoint, pool: Pool, code: number, nowMs: number): boolean {
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
export function noteResponse(context: BalancerContext, { breaker }: Endpoint): void {
  if (breaker === undefined || breaker.timeoutsInARow === 0) return;
  const wasDoubtful = breaker.isDoubtful;
  breaker.answered();
  if (wasDoubtful) context.endpoints.changed();
}

/** How grpc-js words what ends on the client's side: the caller's cancel, its deadline, and a hedge that lost. */
const OWN_ENDINGS = ['Cancelled on client', 'Deadline exceeded', 'Discarded in favor of'];

/** What of an ended attempt decides what it says of its endpoint's load. */
interface EndedAttempt {
  readonly code: number;
  readonly details: string;
  readonly isStream: boolean;
}

/**
 * What an ended attempt says of its endpoint's load. An error of the server's own is never neutral here, though its
 * breaker may find it so: what answers at once with an error must not look free. A good answer
 * to a call with a single response has brought one message.
 */
export function loadOutcomeOf(
  outcome: Outcome,
  { code, details, isStream }: EndedAttempt,
  ending: AttemptEnding,
  messages: number,
): LoadOutcome {
  if (code === OK && (isStream || messages === 1)) return outcome === 'neutral' ? 'neutral' : 'success';
  const isOwn = OWN_ENDINGS.some((own) => details.startsWith(own));
  // Subscriptions end by plan.
  if (isOwn && isStream) return 'neutral';
  if (outcome === 'success' || outcome === 'less') return 'answered';
  if (outcome !== 'neutral') return 'failure';
  return ending === 'answered' && !isOwn ? 'answered' : 'neutral';
}

const PUSHBACK_KEY = 'grpc-retry-pushback-ms';

/**
 * For how long a server asks to be left alone, in milliseconds; negative: the call is not to be tried again at all,
 * which is also what a value says that cannot be read (gRFC A6). Undefined: it says nothing.
 */
function pushbackOf(trailers: Metadata | undefined): number | undefined {
  const value = trailers?.get(PUSHBACK_KEY)[0];
  if (value === undefined) return undefined;
  const pushbackMs = Number.parseInt(String(value), 10);
  return Number.isNaN(pushbackMs) ? -1 : pushbackMs;
}

/** Takes what an ended attempt says of its server's load. */
function notePeerLoad(
  endpoints: EndpointRegistry,
  { load: { share, capacity } }: Endpoint,
  outcome: Outcome,
  code: number,
  pushbackMs: number | undefined,
  trailers: Metadata | undefined,
  nowMs: number,
): void {
  if (outcome === 'success') {
    share.accepted += 1;
    endpoints.total.accepted += 1;
  } else if (outcome === 'less') {
    share.turnedAway(pushbackMs ?? 0, nowMs);
    endpoints.total.turnedAway(0, nowMs);
  }
  if (code !== OK || trailers === undefined || nowMs < capacity.dueAtMs) return;
  const bytes = trailers.get(LOAD_REPORT_KEY)[0];
  capacity.looked(Buffer.isBuffer(bytes) ? readLoadReport(bytes) : undefined, nowMs);
}

/** A connection that goes at this very moment costs one or two; no cause that passes costs so many in a row. */
const MOST_IN_A_ROW = 20;
/** Node's HTTP/2 will not have what the call is to send, over whichever connection. */
const OF_THE_CALL =
  /^ERR_(HTTP2_(HEADER|INVALID_(CONNECTION_)?HEADER|INVALID_PSEUDOHEADER|PSEUDOHEADER)|HTTP_|INVALID_)/;

/**
 * The transport threw when an attempt of the call was to begin. Sets `unsentReason` where a further one would fare no
 * better.
 */
export function noteUnsent(call: CallState, error: unknown): void {
  call.unsent += 1;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : String(error);
  if (OF_THE_CALL.test(code)) call.unsentReason = `cannot be sent: ${message}`;
  else if (call.unsent >= MOST_IN_A_ROW) {
    call.unsentReason = `${call.unsent} attempts in a row could not be begun: ${message}`;
  }
}
