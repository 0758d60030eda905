import type { Timer } from '../../../base/clock';
import type { CallState } from '../../grpc/call-state';
import {
  type CallCredentials,
  dropUnsendable,
  type Metadata,
  type PickResult,
  PREVIOUS_ATTEMPTS_KEY,
  pickKind,
  type RealSubchannel,
  type Status,
  type StatusObject,
  type SubchannelCall,
  type SubchannelCallListener,
  type SubchannelInterface,
} from '../../grpc/grpc-js';
import type { AttemptEnding } from '../../grpc/retry-rules';
import type { BalancerContext } from '../context';
import type { ChannelConnection } from '../endpoints/connection';
import type { SubchannelLease } from '../endpoints/subchannel-lease';
import type { FaultState } from '../faults/fault-state';
import { injectedDetails } from '../faults/faults';
import { InjectedCall, type Injection, shortenTimeout } from '../faults/injected-call';
import { probeLimitMs } from '../probes/probe-limit';
import type { Pool } from '../tiers/pool';
import { AttemptRecord } from './attempt-record';
import { endingOf, RepeatableCall, type TransportStatus, withoutReset } from './repeatable-call';

const UNAVAILABLE = 14;
/** A connection that goes at this very moment costs one or two; no cause that passes costs so many in a row. */
const MOST_IN_A_ROW = 20;
/** Node's HTTP/2 will not have what the call is to send, over whichever connection. */
const OF_THE_CALL =
  /^ERR_(HTTP2_(HEADER|INVALID_(CONNECTION_)?HEADER|INVALID_PSEUDOHEADER|PSEUDOHEADER)|HTTP_|INVALID_)/;

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
export class Attempt extends AttemptRecord {
  // PickResult
  readonly pickResultType: number = pickKind.COMPLETE;
  readonly status: null = null;
  readonly onCallStarted: () => void;
  readonly onCallEnded: (code: Status, details: string, metadata: Metadata) => void;

  /** Set while the call may run again: what grpc-js has of the transport's call. */
  #repeatable: RepeatableCall | undefined;
  #mayHold = false;
  #timeout: Timer | undefined;
  #phase: Phase = 'picked';
  #isTransportDone = false;
  #isCallDone = false;
  #listener: SubchannelCallListener | undefined;
  #transport: SubchannelCall | undefined;
  #isAbandoned = false;
  /** Undefined while no transport's call is open. */
  #lease: SubchannelLease | undefined;
  #session = 0;
  readonly #pool: AttemptPool;

  constructor(pool: AttemptPool) {
    super(pool.context);
    this.#pool = pool;
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
    this.take(call, connection, pool, tier, isPanic);
    return this as unknown as PickResult;
  }

  /** grpc-js reads the subchannel of a pick result; the attempt stands in for it. */
  get subchannel(): SubchannelInterface {
    return this as unknown as SubchannelInterface;
  }

  getConnectivityState(): number {
    return this.connection.subchannel.getConnectivityState();
  }

  getCallCredentials(): CallCredentials {
    return this.call.inCallersContext(this.connection.subchannel.getCallCredentials());
  }

  getChannelzRef(): ReturnType<SubchannelInterface['getChannelzRef']> {
    return this.connection.subchannel.getChannelzRef();
  }

  getAddress(): string {
    return this.connection.subchannel.getAddress();
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
    const { connection } = this;
    if (connection.offered > 0) connection.offered -= 1;
    const intercepted = this.context.intercept?.(this, own);
    if (intercepted !== undefined) {
      this.#transport = intercepted;
      return intercepted;
    }
    const { call } = this;
    if (call.tried !== undefined) countPreviousAttempts(metadata, call);
    const dropped = dropUnsendable(metadata);
    if (dropped !== undefined) this.context.headerDropped(dropped);
    const { faulted } = call;
    const fault =
      faulted === undefined ? undefined : this.context.faults.draw(faulted, this.subset, this.pool.datacenter);
    const transport =
      fault === undefined
        ? this.#open(metadata, host, method, callId)
        : this.#inject(fault, metadata, host, method, callId);
    this.#transport = transport;
    if (!call.mayRetry) return transport;
    this.#mayHold = call.mayHoldResponse;
    this.#repeatable = new RepeatableCall(transport, this);
    return this.#repeatable;
  }

  /** Begins it at its server. */
  #open(metadata: Metadata, host: string, method: string, callId: number | undefined): SubchannelCall {
    const { connection } = this;
    const { lease } = connection;
    let transport: SubchannelCall;
    try {
      transport = lease.subchannel
        .getRealSubchannel()
        .createCall(metadata, connection.authority(host), method, this as unknown as SubchannelCallListener, callId);
    } catch (error) {
      noteUnsent(this.call, error);
      throw error;
    }
    lease.attemptStarted();
    this.#lease = lease;
    this.#session = lease.session;
    this.watch = lease.watch;
    return transport;
  }

  /** A fault of the policy has hit it: it ends, or begins later. */
  #inject(
    { plan, code }: FaultState,
    metadata: Metadata,
    host: string,
    method: string,
    callId: number | undefined,
  ): SubchannelCall {
    const { clock } = this.context;
    const { delayMs = 0 } = plan;
    this.fault = plan.name;
    const heldAtMs = clock.now();
    const injection: Injection = {
      delayMs,
      abort: code < 0 ? undefined : { code, details: injectedDetails(plan) },
      begin: () => {
        const nowMs = clock.now();
        shortenTimeout(metadata, nowMs - heldAtMs);
        const transport = this.#open(metadata, host, method, callId);
        this.watch?.began(nowMs);
        return transport;
      },
      createMetadata: this.#pool.createMetadata,
    };
    const own = this as unknown as SubchannelCallListener;
    return new InjectedCall(own, injection, clock, this.connection.subchannel.getAddress(), callId ?? 0);
  }

  /** grpc-js also cancels attempts that have ended, whose object may be another call's by then. */
  onCancel(repeatable: RepeatableCall): void {
    if (this.#repeatable === repeatable) repeatable.deliverTo(this.#listener);
  }

  /** Ends the attempt from our side, if it goes over `connection`. */
  abandon(connection: ChannelConnection, code: number, details: string): void {
    if (!this.isAt(connection)) return;
    this.#isAbandoned = true;
    this.#transport?.cancelWithStatus(code, details);
  }

  /** The connection of `lease` went silent, and another has taken its place: what may run again does so there. */
  leaveSilent(lease: SubchannelLease): void {
    if (this.#lease !== lease || this.#phase !== 'started' || this.responseHeaders !== undefined) return;
    if (this.call.canTryAgain) this.#giveUp(false, 'the connection is silent');
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.watch?.heard();
    this.responseHeaders = metadata;
    this.#hear();
    // Headers are no answer to a call that has one response: the answer may never follow.
    if (this.#phase === 'started' && !this.call.hasSingleResponse) this.#respond();
    if (!this.#mayHold || this.#phase !== 'started') {
      this.#listener?.onReceiveMetadata(metadata);
      return;
    }
    this.#repeatable?.holdMetadata(metadata);
    this.call.answering((this.#transport as SubchannelCall).getPeer());
  }

  onReceiveMessage(message: Buffer): void {
    this.watch?.heard();
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
    if (repeatable?.isHolding === true && (ending === 'answered' || !this.call.willTryAgain())) {
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
      this.watch?.heard();
      lease.attemptAnswered(this.#session);
    }
    this.isEndedForPings = lease.wasEndedForPings(status, this.#session);
    if (this.isEndedForPings) this.context.pingsRefused(this.endpoint);
    lease.attemptEnded();
  }

  #start(): void {
    this.#phase = 'started';
    this.begin();
    if (this.call.canTryAgain) this.#setTimeout();
  }

  /** An attempt that takes too long must leave its call the time to be answered by another endpoint. */
  #setTimeout(): void {
    const { call } = this;
    const wanted = call.decision?.attemptTimeoutMs;
    const autoMs = call.isSingleResponse ? this.time.attemptLimitMs : undefined;
    const ownMs = wanted === 'auto' ? autoMs : wanted;
    const isRisky = this.probing === 'risky';
    const probeMs = isRisky ? probeLimitMs(call, this.time, this.endpoint, this.pool) : undefined;
    if (ownMs === undefined && probeMs === undefined) return;
    const isOwn = probeMs === undefined || (ownMs !== undefined && ownMs < probeMs);
    const limitMs = Math.min(ownMs ?? Number.POSITIVE_INFINITY, probeMs ?? Number.POSITIVE_INFINITY);
    const what = isOwn ? 'the attempt got no answer' : "the breaker's probe got no answer";
    this.#timeout = this.context.clock.setTimer(limitMs, () => {
      this.#timeout = undefined;
      this.#giveUp(!isOwn, `${what} within ${Math.round(limitMs)} ms`);
    });
  }

  /** Never of a call that could not be tried again now: grpc-js would have its owner pay for our doubts. */
  #giveUp(isProbe: boolean, details: string): void {
    const { call } = this;
    if (this.#repeatable?.isRequestKept(call.retryBufferBytes) !== true || !call.giveUpAttempt(isProbe)) return;
    this.isGivenUp = true;
    this.abandon(this.connection, UNAVAILABLE, details);
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
    this.respond();
  }

  /** The first of the two endings records. */
  #end(code: number, details: string, ending: AttemptEnding): void {
    if (this.#phase !== 'started') return;
    this.#phase = 'ended';
    this.#stopTimeout();
    this.settle(code, details, ending);
  }

  #release(): void {
    this.#phase = 'picked';
    this.#isTransportDone = false;
    this.#isCallDone = false;
    this.forget();
    this.#listener = undefined;
    this.#transport = undefined;
    this.#mayHold = false;
    this.#repeatable = undefined;
    this.#isAbandoned = false;
    this.#pool.give(this);
  }
}

/** grpc-js also counts attempts that no server took on. */
function countPreviousAttempts(metadata: Metadata, { attempts }: CallState): void {
  if (attempts === 0) metadata.remove(PREVIOUS_ATTEMPTS_KEY);
  else metadata.set(PREVIOUS_ATTEMPTS_KEY, String(attempts));
}

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

/** Free attempts of one balancer. */
export class AttemptPool {
  readonly context: BalancerContext;
  readonly createMetadata: () => Metadata;
  readonly #free: Attempt[] = [];

  constructor(context: BalancerContext, createMetadata: () => Metadata) {
    this.context = context;
    this.createMetadata = createMetadata;
  }

  take(): Attempt {
    return this.#free.pop() ?? this.make();
  }

  protected make(): Attempt {
    return new Attempt(this);
  }

  give(attempt: Attempt): void {
    if (this.#free.length < 1024) this.#free.push(attempt);
  }
}
