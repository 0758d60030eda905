import type { Clock, Timer } from '../../../base/clock';
import type { Random } from '../../../base/random';
import type { ChannelOptions } from '../../grpc/grpc-js';

/** What grpc-js passes on of Node and OpenSSL, and what it means for who reads a status. */
const IN_WORDS: readonly (readonly [RegExp, string])[] = [
  [
    /wrong version number|packet length too long|http request/i,
    'the server does not speak TLS there, and the credentials ask for it',
  ],
  [
    /alert (unknown ca|bad certificate|certificate (required|unknown|expired))/i,
    'the server refuses our certificate, or wants one',
  ],
  [
    /alert handshake failure|no shared cipher|unsupported protocol/i,
    'no agreement on TLS, or the server wants a certificate',
  ],
  [
    /self[- ]signed certificate|unable to (verify the first certificate|get (local )?issuer certificate)/i,
    'its certificate is not from a trusted authority',
  ],
  [
    /^Failed to connect \(/,
    'the peer ended the connection before HTTP/2 began: the server may want TLS, or is no gRPC server',
  ],
];
/** `804C...:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/...:350:` */
const OPENSSL = /error:[0-9a-f]+:SSL routines:[^:]*:([^:]+)/i;
const MOST_LENGTH = 300;

/** Why a connection failed, in words. The same failure yields the same text, so that it is told once. */
export function connectionFailure(reason: string | undefined): string {
  if (reason === undefined) return 'connection failed';
  const words = IN_WORDS.find(([pattern]) => pattern.test(reason))?.[1];
  if (words !== undefined) return words;
  const openssl = OPENSSL.exec(reason)?.[1];
  return openssl === undefined ? reason.trim().slice(0, MOST_LENGTH) : `TLS failed: ${openssl}`;
}

/** A session that is shorter than this, and in which nothing was answered, is a failed attempt to connect. */
const EMPTY_SESSION_MS = 1_000;
/**
 * The first one may be a server that restarts, and is dialled at once as by grpc-js; from so many in a row on the peer
 * has failed.
 */
const FAILED_AFTER = 2;
/**
 * How long a new session of such a peer must last before it is believed: twice as long as the last one, within limits.
 */
const LEAST_TRIAL_MS = 100;
const TRIAL_FACTOR = 2;
/** The backoff of grpc-js where its options say nothing. */
const INITIAL_MS = 1_000;
const MAX_MS = 120_000;
const MULTIPLIER = 1.6;
const JITTER = 0.2;

/**
 * Counts the sessions in a row that a peer ended without having answered anything. Such a peer is dialled again after a
 * backoff, and a new session is not believed at once.
 * The rule is the one of connections that fail (https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md):
 * grpc-js forgets its own backoff as soon as a connection is READY, and would dial such a peer hundreds of times a
 * second.
 */
export class EmptySessions {
  readonly #initialMs: number;
  readonly #maxMs: number;
  readonly #random: Random;
  readonly #clock: Clock;
  /** The connection is READY, and that is not believed yet. */
  isOnTrial = false;
  /** The next attempt to connect is not due yet. */
  isWaiting = false;
  #timer: Timer | undefined;
  #inARow = 0;
  #lastMs = 0;
  #nextDelayMs: number;

  /** Reads `grpc.initial_reconnect_backoff_ms` and `grpc.max_reconnect_backoff_ms`. */
  constructor(options: ChannelOptions, clock: Clock, random: Random) {
    this.#maxMs = positive(options['grpc.max_reconnect_backoff_ms']) ?? MAX_MS;
    this.#initialMs = Math.min(positive(options['grpc.initial_reconnect_backoff_ms']) ?? INITIAL_MS, this.#maxMs);
    this.#clock = clock;
    this.#random = random;
    this.#nextDelayMs = this.#initialMs;
  }

  get isFailing(): boolean {
    return this.#inARow >= FAILED_AFTER;
  }

  get reason(): string {
    const { round } = Math;
    return `the peer ended the connection after ${round(this.#lastMs)} ms without an answer, ${this.#inARow} times in a row`;
  }

  /** A session is over; `unansweredMs` is how long it lived, undefined where it brought an answer. */
  sessionEnded(unansweredMs: number | undefined): void {
    this.stop();
    if (unansweredMs === undefined || unansweredMs >= EMPTY_SESSION_MS) {
      this.forget();
      return;
    }
    this.#inARow += 1;
    this.#lastMs = unansweredMs;
  }

  /** A new session must last for a while before calls go to it. `onPassed`: it did. */
  beginTrial(onPassed: () => void): void {
    const trialMs = Math.min(Math.max(LEAST_TRIAL_MS, TRIAL_FACTOR * this.#lastMs), EMPTY_SESSION_MS);
    this.isOnTrial = true;
    this.#timer = this.#clock.setTimer(trialMs, () => {
      // After a stall of the event loop the end of the session may wait to be read.
      const last = setImmediate(onPassed);
      this.#timer = { cancel: () => clearImmediate(last) };
    });
  }

  /** `onDue` is called when the peer may be dialled again. */
  beginWaiting(onDue: () => void): void {
    this.isWaiting = true;
    this.#timer = this.#clock.setTimer(this.nextDelayMs(), () => {
      this.isWaiting = false;
      onDue();
    });
  }

  /** Ends trial and waiting. */
  stop(): void {
    this.isOnTrial = false;
    this.isWaiting = false;
    this.#timer?.cancel();
  }

  /** Milliseconds until the next attempt to connect; grows with each call. */
  nextDelayMs(): number {
    const delayMs = this.#nextDelayMs * (1 + JITTER * (2 * this.#random() - 1));
    this.#nextDelayMs = Math.min(this.#nextDelayMs * MULTIPLIER, this.#maxMs);
    return delayMs;
  }

  forget(): void {
    this.#inARow = 0;
    this.#nextDelayMs = this.#initialMs;
  }
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined;
}
