import { type AttemptFacts, classifyAttempt, type EndedBy, type Outcome } from '../../breaker/outcome';
import { peerOutcomeOf } from '../../breaker/outlier/failure-shares';
import { isProbePermit, NO_PERMIT, type Permit } from '../../breaker/probe-gate';
import type { AttemptView, CallState } from '../../grpc/call-state';
import type { Metadata } from '../../grpc/grpc-js';
import type { AttemptEnding } from '../../grpc/retry-rules';
import type { BalancerContext } from '../context';
import type { ChannelConnection } from '../endpoints/connection';
import type { Endpoint } from '../endpoints/endpoint';
import type { LoadOutcome } from '../endpoints/load';
import { LOAD_REPORT_KEY, readLoadReport } from '../endpoints/reported-capacity';
import type { SessionWatch } from '../endpoints/subchannel-lease';
import { patienceMs } from '../probes/probe-limit';
import type { Pool } from '../tiers/pool';
import { AttemptLink } from './attempt-link';
import { isStreamCall, MethodTime } from './methods';

const OK = 0;
const RESOURCE_EXHAUSTED = 8;
/** An endpoint that has answered well within this time answers calls, as far as is known. */
const WELL_MS = 1_000;
/** Node's servers take 128 header fields by default, some of which are HTTP's own; others take less. */
const MOST_HEADERS = 90;
/** Of an attempt that is not in use. */
const NO_TIME = new MethodTime();
/** How grpc-js words what ends on the client's side: the caller's cancel, its deadline, and a hedge that lost. */
const OWN_ENDINGS = ['Cancelled on client', 'Deadline exceeded', 'Discarded in favor of'];
const PUSHBACK_KEY = 'grpc-retry-pushback-ms';

/**
 * What an attempt finds out by the way. `vouched`: it is the probe of an endpoint whose health check passed; `risky`:
 * the probe of a half-open breaker, or the one that verifies a doubtful endpoint, for want of a health check.
 */
type Probing = 'no' | 'vouched' | 'risky';

/**
 * What is known of one attempt, and what is learned from it: when it begins and when it ends, its endpoint's load and
 * breaker, its subset's breaker, its method and its call are told. The subclass knows how grpc-js tells of both.
 */
export abstract class AttemptRecord extends AttemptLink implements AttemptView, AttemptFacts {
  tier = 0;
  isPanic = false;
  fault: string | undefined = undefined;

  // AttemptFacts
  code = 0;
  details = '';
  endedBy: EndedBy = 'peer';
  rstCode: number | undefined;
  pushbackMs: number | undefined;
  isGivenUp = false;
  isEndedForPings = false;

  protected readonly context: BalancerContext;
  protected probing: Probing = 'no';
  /** Messages received; more than two count as two. */
  protected messages = 0;
  protected requestHeaders: Metadata | undefined;
  protected responseHeaders: Metadata | undefined;
  protected trailers: Metadata | undefined;
  protected watch: SessionWatch | undefined;
  #ending: AttemptEnding = 'none';
  #respondedAtMs = 0;
  #endedAtMs = 0;
  #isFirst = false;
  /** Of the two breakers that watch it. */
  #endpointPermit: Permit = NO_PERMIT;
  #subsetPermit: Permit = NO_PERMIT;
  #place = 0;
  #call: CallState | undefined;
  #connection: ChannelConnection | undefined;
  #from: Pool | undefined;

  constructor(context: BalancerContext) {
    super(NO_TIME);
    this.context = context;
  }

  get call(): CallState {
    return present(this.#call);
  }

  protected get connection(): ChannelConnection {
    return present(this.#connection);
  }

  protected get pool(): Pool {
    return present(this.#from);
  }

  get endpoint(): Endpoint {
    return this.connection.endpoint;
  }

  get subset(): string {
    return this.pool.subset;
  }

  get isSingleResponse(): boolean {
    return this.call.isSingleResponse;
  }

  get isAnswerUnusable(): boolean {
    return this.call.hasSingleResponse && this.messages !== 1;
  }

  get isForeign(): boolean {
    const type = this.code === OK ? undefined : this.responseHeaders?.get('content-type')[0];
    return type !== undefined && !String(type).startsWith('application/grpc');
  }

  get isRequestOversized(): boolean {
    const headers = this.code === RESOURCE_EXHAUSTED ? this.requestHeaders : undefined;
    return headers !== undefined && Object.keys(headers.getMap()).length > MOST_HEADERS;
  }

  get elapsedMs(): number {
    return this.#endedAtMs - this.startedAtMs;
  }

  get latencyMs(): number {
    return (this.responded ? this.#respondedAtMs : this.#endedAtMs) - this.startedAtMs;
  }

  get usualMs(): number {
    return this.isSingleResponse ? this.endpoint.load.usualOf(this.time) : 0;
  }

  get isStalled(): boolean {
    return this.#endedAtMs > this.context.stall.trustedUntilMs;
  }

  get isLoopBusy(): boolean {
    return this.context.stall.isTooBusyFor(this.startedAtMs, this.#endedAtMs);
  }

  get isConnectionReplaced(): boolean {
    return this.watch?.isReplaced === true;
  }

  protected isAt(connection: ChannelConnection): boolean {
    return this.#connection === connection;
  }

  /** A pick has chosen it. */
  protected take(call: CallState, connection: ChannelConnection, pool: Pool, tier: number, isPanic: boolean): void {
    this.time = call.time ?? this.context.endpoints.methods.of(call.method);
    this.isStream = isStreamCall(call.kind, this.time);
    this.lasts = this.isStream || this.time.isLong;
    this.assign(call, connection, pool, tier, isPanic);
    call.isPicked = true;
    if (pool.limit !== undefined) this.#place = pool.limit.take();
  }

  protected assign(call: CallState, connection: ChannelConnection, pool: Pool, tier: number, isPanic: boolean): void {
    this.#call = call;
    this.#connection = connection;
    this.#from = pool;
    this.tier = tier;
    this.isPanic = isPanic;
    connection.offered += 1;
    connection.endpoint.load.picked(this.lasts);
  }

  protected begin(): void {
    const { call, context, endpoint, pool } = this;
    const { endpoints, retryBudget } = context;
    const nowMs = context.clock.now();
    pool.limit?.started(this.#place);
    this.isGivenUp = false;
    this.isEndedForPings = false;
    if (call.tried === undefined) call.tried = [endpoint];
    else call.tried.push(endpoint);
    call.attempts += 1;
    call.isPicked = false;
    call.unsent = 0;
    call.inFlight += 1;
    this.#isFirst = call.attempts === 1;
    if (this.#isFirst) retryBudget.callStarted(nowMs);
    endpoints.nowMs = nowMs;
    if (endpoints.isResting) endpoints.wake(nowMs);
    this.watch?.began(nowMs);
    endpoint.load.attemptStarted(this, nowMs);
    this.probing = this.#beginAtBreakers(nowMs);
  }

  #beginAtBreakers(nowMs: number): Probing {
    const { call, endpoint, pool } = this;
    const { endpoints } = this.context;
    const { breaker } = endpoint;
    const subset = pool.subsetBreaker;
    const isGood = call.isProbeable;
    if (isGood) endpoints.probeCallAtMs = nowMs;
    this.#subsetPermit = subset?.begin(nowMs) ?? NO_PERMIT;
    const isTrial = subset !== undefined && isProbePermit(this.#subsetPermit);
    if (breaker === undefined) this.#endpointPermit = NO_PERMIT;
    // Most attempts at an endpoint that has a breaker.
    else if (breaker.state === 'closed' && !breaker.isDoubtful) this.#endpointPermit = breaker.begin(nowMs);
    else {
      const mayProbe = isGood || endpoints.isStreamsOnly(nowMs);
      const patience = call.kind === 'unary' ? patienceMs(this.time, endpoint, pool) : 0;
      const isVouched = breaker.isVouched(nowMs);
      const isVerifying = mayProbe && breaker.beginVerifying(nowMs, patience);
      this.#endpointPermit = breaker.begin(nowMs, mayProbe, patience);
      if (isVerifying) return 'risky';
      if (isProbePermit(this.#endpointPermit)) return isVouched ? 'vouched' : 'risky';
    }
    return isTrial ? 'risky' : 'no';
  }

  /** The first response has come. */
  protected respond(): void {
    const { context, endpoint } = this;
    this.#respondedAtMs = context.clock.now();
    // Marks the attempt as responded.
    endpoint.load.attemptResponded(this);
    const { breaker } = endpoint;
    if (breaker === undefined || breaker.timeoutsInARow === 0) return;
    const wasDoubtful = breaker.isDoubtful;
    breaker.answered();
    if (wasDoubtful) context.endpoints.changed();
  }

  /** Judges the attempt, which has ended, and tells all that learn from it. Called once for each that began. */
  protected settle(code: number, details: string, ending: AttemptEnding): void {
    const { call, context, endpoint, pool } = this;
    const nowMs = context.clock.now();
    this.code = code;
    this.details = details;
    this.#ending = ending;
    this.#endedAtMs = nowMs;
    this.pushbackMs = code === OK ? undefined : pushbackOf(this.trailers);
    context.endpoints.nowMs = nowMs;
    pool.limit?.ended();
    const outcome = this.#attribute(classifyAttempt(this, pool.breakerPlan), nowMs);
    call.pushbackMs = this.pushbackMs;
    call.wasLess = outcome === 'less';
    this.#notePeerLoad(outcome, nowMs);
    this.#compareWithPeers(outcome, nowMs);
    this.#endAtBreakers(outcome, nowMs);
    if (context.attemptListeners.size > 0) context.attemptEnded(this, outcome);
    this.#endLoad(outcome, nowMs);
    if (outcome === 'success') {
      call.answeredAt = endpoint;
      call.answeredIn = pool;
      call.answerJudge = context;
    }
    if (this.#isFirst) context.retryBudget.callEnded(nowMs);
    call.inFlight -= 1;
    if (ending === 'unseen') call.attempts -= 1;
    call.lastEnding = ending;
    call.lastCode = code;
    call.wasProbe = this.probing !== 'no';
    if (call.faulted !== undefined) {
      call.faulted.servedBy = pool.subset;
      call.faulted.isServedByHit = this.fault !== undefined;
    }
    call.observer?.attemptEnded?.(this, code, details);
  }

  /** Whose doing it was: what a method does at every endpoint says nothing of this one. */
  #attribute(outcome: Outcome, nowMs: number): Outcome {
    const { endpoint, time } = this;
    const { methods } = this.context.endpoints;
    if (outcome === 'success') methods.answered(time, endpoint, nowMs);
    else if (outcome === 'silent' && !this.isGivenUp) return methods.silent(time, endpoint, this.startedAtMs);
    else if (outcome === 'failure' && this.#ending === 'answered' && !this.isForeign) {
      return this.#repeats(nowMs) ? 'neutral' : methods.failed(time, endpoint, this.code, nowMs);
    }
    return outcome;
  }

  /**
   * The call has failed like this at another endpoint before, which has just answered other calls well: it is the
   * request. What the other one was charged is taken back. This one may be a fallback that gets no other calls.
   */
  #repeats(nowMs: number): boolean {
    const { call, code, endpoint } = this;
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
    call.failedIn = this.pool;
    call.failedWith = code;
    return false;
  }

  /** Takes what it says of its server's load. */
  #notePeerLoad(outcome: Outcome, nowMs: number): void {
    const { trailers } = this;
    const { share, capacity } = this.endpoint.load;
    const { total } = this.context.endpoints;
    if (outcome === 'success') {
      share.accepted += 1;
      total.accepted += 1;
    } else if (outcome === 'less') {
      share.turnedAway(this.pushbackMs ?? 0, nowMs);
      total.turnedAway(0, nowMs);
    }
    if (this.code !== OK || trailers === undefined || nowMs < capacity.dueAtMs) return;
    const bytes = trailers.get(LOAD_REPORT_KEY)[0];
    capacity.looked(Buffer.isBuffer(bytes) ? readLoadReport(bytes) : undefined, nowMs);
  }

  /** Before the breaker hears of it: a trial's call belongs to its trial. */
  #compareWithPeers(outcome: Outcome, nowMs: number): void {
    const { shares, breaker } = this.endpoint;
    const usual = this.time.shares;
    const peerOutcome = peerOutcomeOf(outcome, this.code);
    if (peerOutcome === 'none') return;
    const trial = breaker?.trial;
    if (trial === undefined) {
      // What was counted nowhere teaches nothing of its method.
      if (shares.record(peerOutcome, usual, this.call.hash, nowMs)) usual.ended(peerOutcome);
    } else if (isProbePermit(this.#endpointPermit)) trial.ended(peerOutcome, usual);
  }

  #endAtBreakers(outcome: Outcome, nowMs: number): void {
    const { details, endpoint, pool } = this;
    const { endpoints } = this.context;
    const isFailure = outcome === 'failure' || outcome === 'silent';
    if (isFailure && pool.breakerPlan.enabled) endpoints.failed(endpoint, pool.breakerPlan);
    const { breaker } = endpoint;
    if (breaker !== undefined) {
      const wasDoubtful = breaker.isDoubtful;
      breaker.record(this.#endpointPermit, outcome, nowMs, this.latencyMs, details);
      if (breaker.isDoubtful !== wasDoubtful) {
        endpoints.checks.look(endpoint, nowMs);
        endpoints.changed();
      }
    }
    pool.subsetBreaker?.record(this.#subsetPermit, outcome, nowMs, this.latencyMs, details);
  }

  #endLoad(outcome: Outcome, nowMs: number): void {
    const { endpoint, isSingleResponse, messages, time } = this;
    if (messages > 1 && this.call.kind === undefined) time.isStream = true;
    const ended = this.#loadOutcome(outcome);
    // A stream ends by its caller's cancel or deadline as well as by itself.
    const isGood = ended === 'success';
    const teaches = isSingleResponse ? isGood && messages === 1 : isGood || ended === 'neutral';
    if (teaches) time.answered(this.elapsedMs, nowMs);
    endpoint.load.attemptEnded(this, nowMs, ended);
  }

  /**
   * What it says of its endpoint's load. An error of the server's own is never neutral here, though its breaker may
   * find it so: what answers at once with an error must not look free. What is turned away says nothing of the calls
   * that the server works on. A good answer to a call with a single response has brought one message.
   */
  #loadOutcome(outcome: Outcome): LoadOutcome {
    const { code, details, isStream } = this;
    if (code === OK && (isStream || this.messages === 1)) return outcome === 'neutral' ? 'neutral' : 'success';
    const isOwn = OWN_ENDINGS.some((own) => details.startsWith(own));
    // Subscriptions end by plan.
    if (isOwn && isStream) return 'neutral';
    if (outcome === 'success') return 'answered';
    if (outcome !== 'neutral') return 'failure';
    return this.#ending === 'answered' && !isOwn ? 'answered' : 'neutral';
  }

  /** It may be used again. */
  protected forget(): void {
    this.responded = false;
    this.fault = undefined;
    this.messages = 0;
    this.rstCode = undefined;
    this.requestHeaders = undefined;
    this.responseHeaders = undefined;
    this.trailers = undefined;
    this.watch = undefined;
    this.time = NO_TIME;
    this.#call = undefined;
    this.#connection = undefined;
    this.#from = undefined;
  }
}

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

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the attempt is not in use');
  return value;
}
