import type { ClientHttp2Session } from 'node:http2';
import {
  type ChannelOptions,
  type ConnectivityStateListener,
  connectivity,
  http2SessionOf,
  type StatusObject,
  type SubchannelInterface,
  sendsKeepalivePings,
  stopperOfPings,
} from '../../grpc/grpc-js';

const RESOURCE_EXHAUSTED = 8;
/** How grpc-js words the end of each call on a connection that was closed with ENHANCE_YOUR_CALM. */
const CALM = 'Bandwidth exhausted or memory limit exceeded';

const STATE_NAMES: readonly SessionView['state'][] = ['idle', 'connecting', 'ready', 'transient-failure'];

/** One HTTP/2 connection, as `inspect()` shows it. */
export interface SessionView {
  /** State of the connection. */
  readonly state: 'idle' | 'connecting' | 'ready' | 'transient-failure';
  /** Calls under way. */
  readonly streams: number;
  /** The most that its peer allows (SETTINGS_MAX_CONCURRENT_STREAMS); undefined: any number, or not known. */
  readonly limit: number | undefined;
  /** Its peer did not answer a ping. */
  readonly isSilent: boolean;
  /** It gets no new calls. */
  readonly isDraining: boolean;
}

/** Who holds a lease. */
export interface LeaseHolder {
  /** The first answer over the present session. */
  answered(): void;
  /** It was full, and one of its attempts has ended. */
  placeFreed(): void;
  /** The lease was left, and its last attempt has ended. */
  released(lease: SubchannelLease): void;
}

/**
 * One channel's reference on a subchannel. It is kept until the last attempt over it has ended, also when nobody picks
 * it any more: grpc-js closes a subchannel without references, and a keepalive ping on a session that is closing ends
 * every call on it with "Connection dropped" (grpc-js 1.14, `Http2Transport.maybeSendPing`).
 *
 * A session is the time from READY until the subchannel is not READY any more: one HTTP/2 connection.
 */
export class SubchannelLease {
  readonly subchannel: SubchannelInterface;
  readonly sendsPings: boolean;
  /** Counts sessions. An attempt remembers the one that it was started in. */
  session = 0;
  /** Attempts that were started over it and have not ended. */
  streams = 0;
  /** Of the present session. */
  watch: SessionWatch = new SessionWatch(undefined);
  readonly #listener: ConnectivityStateListener;
  readonly #holder: LeaseHolder;
  #isLeft = false;
  #isReleased = false;
  #hasAnswered = false;
  #readySinceMs = 0;
  #stopPings: (() => void) | undefined;

  constructor(
    subchannel: SubchannelInterface,
    options: ChannelOptions,
    listener: ConnectivityStateListener,
    holder: LeaseHolder,
  ) {
    this.subchannel = subchannel;
    this.sendsPings = sendsKeepalivePings(options);
    this.#holder = holder;
    this.#listener = (...args) => {
      // After a GOAWAY calls go on while the session closes, and would die of the next ping.
      if (args[2] !== connectivity.READY) this.#stopPings?.();
      if (!this.#isLeft) listener(...args);
    };
    subchannel.ref();
    subchannel.addConnectivityStateListener(this.#listener);
  }

  /** How many further streams its peer allows; less than 0 where some wait for their place. */
  get room(): number {
    return this.watch.limit - this.streams;
  }

  /** `isUsed`: it may get new calls. */
  view(isUsed: boolean): SessionView {
    const { limit, isSilent } = this.watch;
    return {
      state: STATE_NAMES[this.subchannel.getConnectivityState()] ?? 'idle',
      streams: this.streams,
      limit: limit === NO_LIMIT ? undefined : limit,
      isSilent,
      isDraining: !isUsed,
    };
  }

  /** An attempt was started over it. */
  attemptStarted(): void {
    this.streams += 1;
  }

  /** Called once for each attempt that was started. */
  attemptEnded(): void {
    this.streams -= 1;
    if (this.#isLeft) {
      if (this.streams === 0) this.#release();
    } else if (this.streams === this.watch.limit - 1) this.#holder.placeFreed();
  }

  /** The server has sent headers, a message or a status to an attempt of this session. */
  attemptAnswered(session: number): void {
    if (this.#hasAnswered || session !== this.session) return;
    this.#hasAnswered = true;
    if (!this.#isLeft) this.#holder.answered();
  }

  /** The subchannel has become READY. */
  sessionBegan(nowMs: number): void {
    this.session += 1;
    this.#hasAnswered = false;
    this.#readySinceMs = nowMs;
    this.#watchSession();
    // grpc-js tells its listeners before it stores the transport, in the same turn.
    queueMicrotask(() => {
      this.#watchSession();
      if (this.sendsPings) this.#stopPings = stopperOfPings(this.subchannel);
    });
  }

  #watchSession(): void {
    const session = http2SessionOf(this.subchannel);
    if (this.watch.isOf(session)) return;
    this.watch = new SessionWatch(session);
  }

  /** For how long the session lived that is over now, in milliseconds; undefined where something was answered in it. */
  unansweredMs(nowMs: number): number | undefined {
    return this.#hasAnswered ? undefined : nowMs - this.#readySinceMs;
  }

  /**
   * True where the server ended the session of the attempt, rather than this one call, with ENHANCE_YOUR_CALM, and
   * pings are sent over it. A server that is too busy resets single streams with that code.
   */
  wasEndedForPings({ code, details }: StatusObject, session: number): boolean {
    if (code !== RESOURCE_EXHAUSTED || details !== CALM || !this.sendsPings) return false;
    return session !== this.session || this.subchannel.getConnectivityState() !== connectivity.READY;
  }

  /** Nobody picks it any more, and it is not connected again. */
  leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    if (this.streams === 0) this.#release();
  }

  /** Leaves without waiting for its attempts. */
  letGo(): void {
    this.leave();
    this.#release();
  }

  /** The opposite of `leave`; false when it is too late for that. */
  resume(): boolean {
    if (!this.#isReleased) this.#isLeft = false;
    return !this.#isReleased;
  }

  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.subchannel.removeConnectivityStateListener(this.#listener);
    this.subchannel.unref();
    this.#holder.released(this);
  }
}

/** A limit that no number of streams reaches, and that is still a small integer. */
const NO_LIMIT = 0x7fffffff;
/** Something should have come by now, where a call with a single response is overdue at the endpoint... */
const OVERDUE_MS = 100;
/** ...and where nobody knows that, as of streams and of callers in a hurry. */
const QUIET_MS = 500;
/** Ticks without an answer to the ping until the session is silent. Between two of them sockets were read. */
const PATIENCE_TICKS = 2;
/**
 * Ticks until the limit is read again. Node tells nobody of new settings after `removeAllListeners`, which grpc-js
 * calls.
 */
const READ_TICKS = 10;
/**
 * Servers of grpc-go, grpc-java and C-core forgive no more than two pings that come within 5 minutes while they send
 * nothing (https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md). One ping in that time is none too
 * many.
 */
const PING_INTERVAL_MS = 310_000;

/**
 * One HTTP/2 connection, from READY on: how many streams its peer allows, and whether the peer still answers. A peer
 * that has sent nothing since a call began is pinged once. Handlers that hang, and streams that are silent by nature,
 * do not keep a peer from answering a ping; a NAT that has forgotten the connection, or a frozen process, does. Times
 * are monotonic milliseconds.
 */
export class SessionWatch {
  /** What the peer's SETTINGS_MAX_CONCURRENT_STREAMS says. */
  limit: number = NO_LIMIT;
  /** A ping was not answered, nor has anything come since. */
  isSilent = false;
  /** It was silent when another connection took its place: what ends on it unanswered is the connection's fault. */
  isReplaced = false;
  readonly #session: ClientHttp2Session | undefined;
  #isAwaiting = false;
  #sinceMs = 0;
  /** Data has come since the last ping, so that the next one is no offence. */
  #mayPing = true;
  #pingedAtMs = 0;
  /** Ticks since a ping that is not answered; -1 without one. */
  #ticks = -1;
  #ticksToRead = READ_TICKS;
  /** Waits for the next ping that is answered. */
  #onProof: (() => void) | undefined;

  /** Undefined: grpc-js does not show the session. Then no limit is known, and nothing is ever silent. */
  constructor(session: ClientHttp2Session | undefined) {
    this.#session = session;
    this.#readLimit();
  }

  isOf(session: ClientHttp2Session | undefined): boolean {
    return this.#session === session;
  }

  /** A call begins. */
  began(nowMs: number): void {
    if (this.#isAwaiting) return;
    this.#isAwaiting = true;
    this.#sinceMs = nowMs;
  }

  /** Headers, a message or a status came. */
  heard(): void {
    this.#isAwaiting = false;
    this.#mayPing = true;
    if (this.#ticks >= 0) this.#answered();
  }

  /**
   * Called on each tick of the endpoint's statistics that came in time. `isOverdue`: a call with a single response
   * should have been answered. True when the session has just become silent.
   */
  look(nowMs: number, isOverdue: boolean): boolean {
    this.#ticksToRead -= 1;
    if (this.#ticksToRead === 0) this.#readLimit();
    if (this.#ticks >= 0) {
      this.#ticks += 1;
      if (this.isSilent || this.#ticks < PATIENCE_TICKS) return false;
      this.isSilent = true;
      return true;
    }
    if (!this.#isAwaiting || nowMs - this.#sinceMs < (isOverdue ? OVERDUE_MS : QUIET_MS)) return false;
    if (this.#mayPing || nowMs - this.#pingedAtMs >= PING_INTERVAL_MS) this.#ping(nowMs);
    return false;
  }

  /** Finds out whether the peer lives, as far as a ping is allowed now. `onProof`: it has answered. */
  prove(nowMs: number, onProof: () => void): void {
    this.began(nowMs);
    this.#onProof = onProof;
    if (this.#ticks < 0 && (this.#mayPing || nowMs - this.#pingedAtMs >= PING_INTERVAL_MS)) this.#ping(nowMs);
  }

  #ping(nowMs: number): void {
    const session = this.#session;
    if (session === undefined || session.destroyed || session.closed) return;
    this.#mayPing = false;
    this.#pingedAtMs = nowMs;
    this.#ticks = 0;
    try {
      const isSent = session.ping((error) => {
        if (error !== null) return;
        this.#answered();
        this.#onProof?.();
        this.#onProof = undefined;
      });
      // Node holds at most ten unanswered pings, those of keepalive included.
      if (!isSent) this.#answered();
    } catch {
      // The session is over, which grpc-js is about to tell.
      this.#answered();
    }
  }

  #answered(): void {
    this.#ticks = -1;
    this.isSilent = false;
    this.#isAwaiting = false;
  }

  #readLimit(): void {
    this.#ticksToRead = READ_TICKS;
    const session = this.#session;
    if (session === undefined || session.destroyed) return;
    this.limit = Math.min(session.remoteSettings.maxConcurrentStreams ?? NO_LIMIT, NO_LIMIT);
  }
}
