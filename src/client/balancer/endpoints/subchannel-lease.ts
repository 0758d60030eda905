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
import type { SessionView } from './connection-deps';
import { NO_LIMIT, SessionWatch } from './session-watch';

const RESOURCE_EXHAUSTED = 8;
/** How grpc-js words the end of each call on a connection that was closed with ENHANCE_YOUR_CALM. */
const CALM = 'Bandwidth exhausted or memory limit exceeded';

const STATE_NAMES: readonly SessionView['state'][] = ['idle', 'connecting', 'ready', 'transient-failure'];

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
 * One channel's reference on a subchannel. It is kept until the last attempt over it has ended, also when nobody picks it any
 * more: grpc-js closes a subchannel without references, and a keepalive ping on a session that is closing ends every call on
 * it with "Connection dropped" (grpc-js 1.14, `Http2Transport.maybeSendPing`).
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

  get isReleased(): boolean {
    return this.#isReleased;
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
   * True where the server ended the session of the attempt, rather than this one call, with ENHANCE_YOUR_CALM, and pings are
   * sent over it. A server that is too busy resets single streams with that code.
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
    if (this.#isReleased) return false;
    if (!this.#isLeft) return true;
    this.#isLeft = false;
    return true;
  }

  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.subchannel.removeConnectivityStateListener(this.#listener);
    this.subchannel.unref();
    this.#holder.released(this);
  }
}
