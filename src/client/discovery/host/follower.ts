import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as dial } from 'node:net';
import type { Clock, Timer } from '../../../base/clock';
import type { ConsulAnswer } from '../../../consul/request';
import {
  ANSWER_HEADER,
  BODY_LIMIT_BYTES,
  decodeAnswer,
  type HostAnswer,
  type HostAsk,
  LOST,
  SESSION_MEMORY_MB,
  WINDOW_BYTES,
} from './protocol';

/**
 * A connection that is taken but not answered: the process behind it is stopped. One that is only busy is waited for.
 */
const GREETING_LIMIT_MS = 10_000;
/** Looked at so often; so many in a row without an answer are the end. */
const PING_MS = 2_500;
const PINGS_UNANSWERED = 4;
/** Beyond what the holder itself gives a request. */
const GRACE_MS = 20_000;
const CLOSED: ConsulAnswer = { kind: 'failure', status: undefined, reason: 'closed' };

/** Undefined when no process is there, or none answers. `onLost` is called at most once, and not after `close()`. */
export function openFollower(path: string, clock: Clock, onLost: () => void): Promise<Follower | undefined> {
  return new Promise((resolve) => {
    const session = connect('http://host', {
      createConnection: () => dial(path),
      maxSessionMemory: SESSION_MEMORY_MB,
      settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
    });
    let isMade = false;
    const late = clock.setTimer(GREETING_LIMIT_MS, () => session.destroy());
    session.on('error', () => {});
    session.on('connect', () => session.setLocalWindowSize(WINDOW_BYTES));
    session.once('remoteSettings', () => {
      late.cancel();
      isMade = true;
      resolve(new Follower(session, clock, onLost));
    });
    session.once('close', () => {
      late.cancel();
      if (!isMade) resolve(undefined);
    });
  });
}

/** A connection to the process that asks Consul for this one. */
export class Follower {
  readonly #session: ClientHttp2Session;
  readonly #clock: Clock;
  readonly #pings: Timer;
  #unanswered = 0;
  #waiting = 0;
  #isClosed = false;

  constructor(session: ClientHttp2Session, clock: Clock, onLost: () => void) {
    this.#session = session;
    this.#clock = clock;
    session.unref();
    this.#pings = clock.setRepeating(PING_MS, () => this.#ping());
    session.once('close', () => {
      this.#pings.cancel();
      if (this.#isClosed) return;
      this.#isClosed = true;
      onLost();
    });
  }

  /** Questions that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The connection has ended: what was LOST may be asked of the next holder. */
  get isGone(): boolean {
    return this.#session.destroyed || this.#session.closed;
  }

  get(ask: HostAsk, signal: AbortSignal | undefined): Promise<HostAnswer> {
    if (this.isGone) return Promise.resolve(LOST);
    if (signal?.aborted === true) return Promise.resolve(CLOSED);
    // As with a connection to Consul itself: a question that waits keeps the process alive.
    if (this.#waiting === 0) this.#session.ref();
    this.#waiting += 1;
    return new Promise<HostAnswer>((resolve) => {
      const stream = this.#session.request({ ':method': 'POST', ':path': '/' });
      const onAbort = (): void => {
        resolve(CLOSED);
        stream.destroy();
      };
      const late = this.#clock.setTimer(ask.timeLimitMs + ask.afterMs + GRACE_MS, () => stream.destroy());
      signal?.addEventListener('abort', onAbort, { once: true });
      stream.on('error', () => {});
      stream.once('close', () => {
        late.cancel();
        signal?.removeEventListener('abort', onAbort);
        this.#waiting -= 1;
        if (this.#waiting === 0 && !this.#session.destroyed) this.#session.unref();
        // Without effect where it was answered.
        resolve(LOST);
      });
      collect(stream, resolve);
      stream.end(JSON.stringify(ask));
    });
  }

  /** Idempotent; what waits gets LOST. */
  close(): void {
    this.#isClosed = true;
    this.#pings.cancel();
    this.#session.destroy();
  }

  /** Counted by ticks, not by time: after a stall of this process itself the answer is read before the next tick. */
  #ping(): void {
    if (this.#waiting === 0 || this.#session.destroyed) return;
    if (this.#unanswered >= PINGS_UNANSWERED) {
      this.#session.destroy();
      return;
    }
    this.#unanswered += 1;
    this.#session.ping(() => {
      this.#unanswered = 0;
    });
  }
}

function collect(stream: ClientHttp2Stream, resolve: (answer: HostAnswer) => void): void {
  const chunks: Buffer[] = [];
  let header: unknown;
  let size = 0;
  stream.on('response', (headers) => {
    header = headers[ANSWER_HEADER];
  });
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > BODY_LIMIT_BYTES) stream.destroy();
    else chunks.push(chunk);
  });
  stream.on('end', () => {
    const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size);
    resolve(decodeAnswer(header, body) ?? LOST);
  });
}
