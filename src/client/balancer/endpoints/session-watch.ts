import type { ClientHttp2Session } from 'node:http2';

/** A limit that no number of streams reaches, and that is still a small integer. */
export const NO_LIMIT = 0x7fffffff;
/** Something should have come by now, where a call with a single response is overdue at the endpoint... */
const OVERDUE_MS = 100;
/** ...and where nobody knows that, as of streams and of callers in a hurry. */
const QUIET_MS = 500;
/** Ticks without an answer to the ping until the session is silent. Between two of them sockets were read. */
const PATIENCE_TICKS = 2;
/** Ticks until the limit is read again. Node tells nobody of new settings after `removeAllListeners`, which grpc-js calls. */
const READ_TICKS = 10;
/**
 * Servers of grpc-go, grpc-java and C-core forgive no more than two pings that come within 5 minutes while they send nothing
 * (https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md). One ping in that time is none too many.
 */
const PING_INTERVAL_MS = 310_000;

/**
 * One HTTP/2 connection, from READY on: how many streams its peer allows, and whether the peer still answers. A peer that has
 * sent nothing since a call began is pinged once. Handlers that hang, and streams that are silent by nature, do not keep a peer from
 * answering a ping; a NAT that has forgotten the connection, or a frozen process, does. Times are monotonic milliseconds.
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
   * Called on each tick of the endpoint's statistics that came in time. `isOverdue`: a call with a single response should have
   * been answered. True when the session has just become silent.
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
