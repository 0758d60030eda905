import type { Timer } from '../../../base/clock';
import { type EndedBy, isUnusableAnswer, type Outcome } from '../../breaker/outcome';
import type { AnswerJudge, AttemptEnding, AttemptView, CallState } from '../../grpc/call-state';
import {
  type CallCredentials,
  dropUnsendable,
  type Metadata,
  type PickResult,
  pickKind,
  type RealSubchannel,
  type Status,
  type StatusObject,
  type SubchannelCall,
  type SubchannelCallListener,
  type SubchannelInterface,
} from '../../grpc/grpc-js';
import type { BalancerContext } from '../context';
import type { ChannelConnection } from '../endpoints/connection';
import type { Endpoint } from '../endpoints/endpoint';
import type { AttemptLink } from '../endpoints/load';
import type { SessionWatch, SubchannelLease } from '../endpoints/subchannel-lease';
import { probeLimitMs } from '../probes/probe-limit';
import type { Pool } from '../tiers/pool';
import {
  beginAttempt,
  loadOutcomeOf,
  noteResponse,
  noteUnsent,
  type Permits,
  type Probing,
  settleAttempt,
  settleUnusable,
} from './attempt-outcome';
import { isStreamCall, MethodTime } from './methods';
import { endingOf, RepeatableCall, type TransportStatus, withoutReset } from './repeatable-call';

const UNAVAILABLE = 14;
/** Of an attempt that is not in use. */
const NO_TIME = new MethodTime();

type Phase =
  /** In the pool, or picked and not (yet) started: nothing counts. */
  | 'picked'
  | 'started'
  /** Outcome recorded; waiting for the other of grpc-js' two endings before it may be used again. */
  | 'ended';

/**
 * One attempt of a call at one endpoint. It is three things to grpc-js, so that a pick allocates nothing in steady
 * state: the pick result, the subchannel of that result (so that `createCall` can be seen), and the listener of the
 * transport's call (so that the first response and the end are seen before the retry logic looks at them).
 *
 * An attempt ends twice: when the transport reports its status and when grpc-js calls `onCallEnded`, in either order (a
 * cancelled call's transport reports a turn later). The first records; the second gives the object back. One that never
 * starts, or never hears the second, is left to the garbage collector.
 */
export class Attempt implements AttemptLink, AttemptView {
  // AttemptLink
  startedAtMs = 0;
  responded = false;
  time: MethodTime = NO_TIME;
  isStream = false;
  lasts = false;
  previous: AttemptLink | undefined;
  next: AttemptLink | undefined;

  // PickResult
  readonly pickResultType: number = pickKind.COMPLETE;
  readonly status: null = null;
  readonly onCallStarted: () => void;
  readonly onCallEnded: (code: Status, details: string, metadata: Metadata) => void;

  tier = 0;
  isPanic = false;
  code = 0;
  details = '';
  ending: AttemptEnding = 'none';
  endedBy: EndedBy = 'peer';
  rstCode: number | undefined;
  messages = 0;
  requestHeaders: Metadata | undefined;
  responseHeaders: Metadata | undefined;
  trailers: Metadata | undefined;
  respondedAtMs = 0;
  isGivenUp = false;
  /** Our own keepalive pings made the server end its connection. */
  isEndedForPings = false;
  /** Set while the call may run again: what grpc-js has of the transport's call. */
  #repeatable: RepeatableCall | undefined;
  #mayHold = false;
  readonly #permits: Permits = { endpoint: 0, subset: 0 };
  #probing: Probing = 'no';
  #isFirst = false;
  #timeout: Timer | undefined;
  #from: Pool | undefined;
  #place = 0;
  #phase: Phase = 'picked';
  #isTransportDone = false;
  #isCallDone = false;
  #call: CallState | undefined;
  #connection: ChannelConnection | undefined;
  #listener: SubchannelCallListener | undefined;
  #transport: SubchannelCall | undefined;
  #isAbandoned = false;
  /** Undefined while no transport's call is open. */
  #lease: SubchannelLease | undefined;
  #session = 0;
  #watch: SessionWatch | undefined;
  readonly #pool: AttemptPool;
  readonly #context: BalancerContext;

  constructor(pool: AttemptPool) {
    this.#pool = pool;
    this.#context = pool.context;
    this.onCallStarted = () => this.#start();
    this.onCallEnded = (code, details) => {
      this.#isCallDone = true;
      if (!this.#isTransportDone) this.endedBy = this.#isAbandoned ? 'us' : 'above';
      // Where a filter of grpc-js fails there are none.
      this.#end(code, details ?? '', 'broken');
      if (this.#isTransportDone && this.#phase === 'ended') this.#release();
    };
  }

  /** Prepares the attempt for a pick and returns it as grpc-js' pick result. */
  picked(call: CallState, connection: ChannelConnection, pool: Pool, tier: number, isPanic: boolean): PickResult {
    this.#call = call;
    this.#connection = connection;
    this.#from = pool;
    if (pool.limit !== undefined) this.#place = pool.limit.take();
    connection.offered += 1;
    this.tier = tier;
    this.isPanic = isPanic;
    return this as unknown as PickResult;
  }

  get call(): CallState {
    return present(this.#call);
  }

  get endpoint(): Endpoint {
    return present(this.#connection).endpoint;
  }

  get subset(): string {
    return present(this.#from).subset;
  }

  /** grpc-js reads the subchannel of a pick result; the attempt stands in for it. */
  get subchannel(): SubchannelInterface {
    return this as unknown as SubchannelInterface;
  }

  getConnectivityState(): number {
    return present(this.#connection).subchannel.getConnectivityState();
  }

  getCallCredentials(): CallCredentials {
    return this.call.inCallersContext(present(this.#connection).subchannel.getCallCredentials());
  }

  getChannelzRef(): ReturnType<SubchannelInterface['getChannelzRef']> {
    return present(this.#connection).subchannel.getChannelzRef();
  }

  getAddress(): string {
    return present(this.#connection).subchannel.getAddress();
  }

  getRealSubchannel(): RealSubchannel {
    return this as unknown as RealSubchannel;
  }

  createCall(
    metadata: Metadata,
    host: string,
    method: string,
    listener: SubchannelCallListener,
    callId?: number,
  ): SubchannelCall {
    this.#listener = listener;
    this.requestHeaders = metadata;
    const own = this as unknown as SubchannelCallListener;
    const connection = present(this.#connection);
    if (connection.offered > 0) connection.offered -= 1;
    const intercepted = this.#context.intercept?.(this, own);
    if (intercepted !== undefined) {
      this.#transport = intercepted;
      return intercepted;
    }
    const { lease } = connection;
    const real = lease.subchannel.getRealSubchannel();
    const dropped = dropUnsendable(metadata);
    if (dropped !== undefined) this.#context.headerDropped(dropped);
    let transport: SubchannelCall;
    try {
      transport = real.createCall(metadata, connection.authority(host), method, own, callId);
    } catch (error) {
      noteUnsent(this.call, error);
      throw error;
    }
    lease.attemptStarted();
    this.#lease = lease;
    this.#session = lease.session;
    this.#watch = lease.watch;
    this.#transport = transport;
    const call = this.#call;
    if (call?.mayRetry !== true) return transport;
    this.#mayHold = call.mayHoldResponse;
    this.#repeatable = new RepeatableCall(transport, this);
    return this.#repeatable;
  }

  /** grpc-js also cancels attempts that have ended, whose object may be another call's by then. */
  onCancel(repeatable: RepeatableCall): void {
    if (this.#repeatable === repeatable) repeatable.deliverTo(this.#listener);
  }

  /** Ends the attempt from our side, if it goes over `connection`. */
  abandon(connection: ChannelConnection, code: number, details: string): void {
    if (this.#connection !== connection) return;
    this.#isAbandoned = true;
    this.#transport?.cancelWithStatus(code, details);
  }

  /** The connection of `lease` went silent, and another has taken its place: what may run again does so there. */
  leaveSilent(lease: SubchannelLease): void {
    if (this.#lease !== lease || this.#phase !== 'started' || this.responseHeaders !== undefined) return;
    if (this.call.canTryAgain) this.#giveUp(false, 'the connection is silent');
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#watch?.heard();
    this.responseHeaders = metadata;
    this.#hear();
    // Headers are no answer to a call that has one response: the answer may never follow.
    if (this.#call?.hasSingleResponse === false) this.#respond();
    if (!this.#mayHold || this.#phase !== 'started') {
      this.#listener?.onReceiveMetadata(metadata);
      return;
    }
    this.#repeatable?.holdMetadata(metadata);
    this.call.answering(present(this.#transport).getPeer());
  }

  onReceiveMessage(message: Buffer): void {
    this.#watch?.heard();
    if (this.messages < 2) this.messages += 1;
    this.#hear();
    this.#respond();
    const repeatable = this.#repeatable;
    if (repeatable !== undefined) {
      if (repeatable.holdMessage(message)) return;
      repeatable.deliverTo(this.#listener);
    }
    this.#listener?.onReceiveMessage(message);
  }

  onReceiveStatus(status: StatusObject): void {
    this.#isTransportDone = true;
    const listener = this.#listener;
    const call = this.#call;
    const hasResponded = this.responseHeaders !== undefined;
    const ending = this.isGivenUp ? 'given-up' : this.#isAbandoned ? 'broken' : endingOf(status, hasResponded);
    // Of an attempt that ended above, the transport tells what it was told itself.
    const isFirst = this.#phase === 'started';
    if (isFirst) {
      this.endedBy = this.#isAbandoned ? 'us' : 'peer';
      this.rstCode = (status as TransportStatus).rstCode;
      this.trailers = status.metadata;
    }
    this.#leaveLease(status, isFirst && ending === 'answered');
    this.#end(status.code, status.details, ending);
    // What ends the call is told in the order in which it came.
    const repeatable = this.#repeatable;
    if (repeatable?.isHolding === true && (ending === 'answered' || call?.willTryAgain() !== true)) {
      repeatable.deliverTo(listener);
    }
    listener?.onReceiveStatus(hasResponded && ending === 'broken' ? withoutReset(status) : status);
    if (this.#isCallDone && this.#phase === 'ended') this.#release();
  }

  #leaveLease(status: StatusObject, isAnswered: boolean): void {
    const lease = this.#lease;
    if (lease === undefined) return;
    this.#lease = undefined;
    if (isAnswered) {
      this.#watch?.heard();
      lease.attemptAnswered(this.#session);
    }
    this.isEndedForPings = lease.wasEndedForPings(status, this.#session);
    if (this.isEndedForPings) this.#context.pingsRefused(this.endpoint);
    lease.attemptEnded();
  }

  #start(): void {
    const context = this.#context;
    const { call, endpoint } = this;
    const now = context.clock.now();
    this.#phase = 'started';
    this.#from?.limit?.started(this.#place);
    this.startedAtMs = now;
    this.isGivenUp = false;
    this.isEndedForPings = false;
    if (call.tried === undefined) call.tried = [endpoint];
    else call.tried.push(endpoint);
    call.attempts += 1;
    call.unsent = 0;
    call.inFlight += 1;
    this.#isFirst = call.attempts === 1;
    if (this.#isFirst) context.retryBudget.callStarted(now);
    context.endpoints.nowMs = now;
    if (context.endpoints.isResting) context.endpoints.wake(now);
    this.#watch?.began(now);
    this.#beginLoad(call, endpoint, now);
    this.#probing = beginAttempt(context, this.#permits, call, endpoint, present(this.#from), this.time, now);
    if (call.canTryAgain) this.#setTimeout();
  }

  #beginLoad(call: CallState, endpoint: Endpoint, now: number): void {
    const time = call.time ?? this.#context.endpoints.methods.of(call.method);
    this.time = time;
    this.isStream = isStreamCall(call.kind, time);
    this.lasts = this.isStream || time.isLong;
    endpoint.load.attemptStarted(this, now);
  }

  #endLoad(outcome: Outcome, ending: AttemptEnding, now: number): void {
    const { time, endpoint } = this;
    const { kind, isSingleResponse } = this.call;
    if (this.messages > 1 && kind === undefined) time.isStream = true;
    const ended = loadOutcomeOf(outcome, this, ending, this.messages);
    // A stream ends by its caller's cancel or deadline as well as by itself.
    const teaches = isSingleResponse
      ? ended === 'success' && this.messages === 1
      : ended === 'success' || ended === 'neutral';
    if (teaches) time.answered(now - this.startedAtMs, now);
    endpoint.load.attemptEnded(this, now, ended);
  }

  /** It went over a connection that was silent, and has been replaced. */
  get isConnectionReplaced(): boolean {
    return this.#watch?.isReplaced === true;
  }

  /** What good answers of its method usually take here, in milliseconds; 0 when unknown, and of streams. */
  get usualMs(): number {
    return this.call.isSingleResponse ? this.endpoint.load.usualOf(this.time) : 0;
  }

  /** An attempt that takes too long must leave its call the time to be answered by another endpoint. */
  #setTimeout(): void {
    const context = this.#context;
    const { call } = this;
    const wanted = call.decision?.attemptTimeoutMs;
    const autoMs = call.isSingleResponse ? this.time.attemptLimitMs : undefined;
    const ownMs = wanted === 'auto' ? autoMs : wanted;
    const isRisky = this.#probing === 'risky';
    const probeMs = isRisky ? probeLimitMs(call, this.time, this.endpoint, present(this.#from)) : undefined;
    if (ownMs === undefined && probeMs === undefined) return;
    const isOwn = probeMs === undefined || (ownMs !== undefined && ownMs < probeMs);
    const limitMs = Math.min(ownMs ?? Number.POSITIVE_INFINITY, probeMs ?? Number.POSITIVE_INFINITY);
    const what = isOwn ? 'the attempt got no answer' : "the breaker's probe got no answer";
    this.#timeout = context.clock.setTimer(limitMs, () => {
      this.#timeout = undefined;
      this.#giveUp(!isOwn, `${what} within ${Math.round(limitMs)} ms`);
    });
  }

  /** Never of a call that could not be tried again now: grpc-js would have its owner pay for our doubts. */
  #giveUp(isProbe: boolean, details: string): void {
    const { call } = this;
    if (this.#repeatable?.isRequestKept(call.retryBufferBytes) !== true || !call.giveUpAttempt(isProbe)) return;
    this.isGivenUp = true;
    this.abandon(present(this.#connection), UNAVAILABLE, details);
  }

  #stopTimeout(): void {
    this.#timeout?.cancel();
    this.#timeout = undefined;
  }

  /** Something came over the connection. */
  #hear(): void {
    if (this.responded || this.#phase !== 'started') return;
    // What is held until it is whole may yet break off; anything else is tied to this attempt from now on.
    if (!this.#mayHold) this.#stopTimeout();
    this.#lease?.attemptAnswered(this.#session);
  }

  /** The first response has come. */
  #respond(): void {
    if (this.responded || this.#phase !== 'started') return;
    this.respondedAtMs = this.#context.clock.now();
    // Marks the attempt as responded.
    this.endpoint.load.attemptResponded(this);
    noteResponse(this.#context, this.endpoint);
  }

  /** The first of the two endings records. */
  #end(code: number, details: string, ending: AttemptEnding): void {
    if (this.#phase !== 'started') return;
    this.#phase = 'ended';
    this.#settle(code, details, ending);
  }

  #settle(code: number, details: string, ending: AttemptEnding): void {
    const context = this.#context;
    const { call, endpoint } = this;
    const now = context.clock.now();
    this.#stopTimeout();
    this.code = code;
    this.details = details;
    this.ending = ending;
    context.endpoints.nowMs = now;
    const pool = present(this.#from);
    pool.limit?.ended();
    const outcome = settleAttempt(context, this.#permits, call, endpoint, pool, this, now);
    if (context.attemptListeners.list.length > 0) {
      const latencyMs = (this.responded ? this.respondedAtMs : now) - this.startedAtMs;
      context.attemptListeners.attemptEnded(
        call.decision?.destination.subset ?? pool.subset,
        pool.subset,
        outcome,
        latencyMs,
      );
    }
    this.#endLoad(outcome, ending, now);
    if (outcome === 'success') {
      call.answeredAt = endpoint;
      call.answeredIn = pool;
      call.answerJudge = this.#pool;
    }
    if (this.#isFirst) context.retryBudget.callEnded(now);
    call.inFlight -= 1;
    if (ending === 'unseen') call.attempts -= 1;
    call.lastEnding = ending;
    call.lastCode = code;
    call.wasProbe = this.#probing !== 'no';
    call.observer?.attemptEnded?.(this, code, details);
  }

  #release(): void {
    this.#phase = 'picked';
    this.#isTransportDone = false;
    this.#isCallDone = false;
    this.responded = false;
    this.messages = 0;
    this.rstCode = undefined;
    this.requestHeaders = undefined;
    this.responseHeaders = undefined;
    this.trailers = undefined;
    this.time = NO_TIME;
    this.#call = undefined;
    this.#connection = undefined;
    this.#from = undefined;
    this.#listener = undefined;
    this.#transport = undefined;
    this.#watch = undefined;
    this.#mayHold = false;
    this.#repeatable = undefined;
    this.#isAbandoned = false;
    this.#pool.give(this);
  }
}

/** Free attempts of one balancer. */
export class AttemptPool implements AnswerJudge {
  readonly context: BalancerContext;
  readonly #free: Attempt[] = [];

  constructor(context: BalancerContext) {
    this.context = context;
  }

  endedAfterAnswer(call: CallState, details: string): void {
    call.answerJudge = undefined;
    if (isUnusableAnswer(details)) settleUnusable(this.context, call, details);
  }

  take(): Attempt {
    return this.#free.pop() ?? new Attempt(this);
  }

  give(attempt: Attempt): void {
    if (this.#free.length < 1024) this.#free.push(attempt);
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the attempt is not in use');
  return value;
}
