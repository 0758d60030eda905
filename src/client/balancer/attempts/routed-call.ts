import type { Decision } from '../../../policy/plan';
import type { CallKind, RoutingOutcome } from '../../../policy/routing/call';
import type { CallCredentials, Metadata } from '../../grpc/grpc-js';
import type { Endpoint } from '../endpoints/endpoint';
import type { FallbackUse } from '../tiers/order';
import type { Pool } from '../tiers/pool';

/**
 * How the attempt that ended last did so, or the last pick. `none`: no attempt has ended, or the last pick reached nobody.
 * `unseen`: the server's application cannot have seen it (REFUSED_STREAM, which is also how Node ends a stream that a
 * GOAWAY did not cover). `given-up`: we ended it to try elsewhere. `broken`: the stream or the connection broke, or the
 * caller gave up. `answered`: the status is the server's own.
 */
export type AttemptEnding = 'none' | 'unseen' | 'given-up' | 'broken' | 'answered';

/**
 * One call on its way through resolver and balancer. grpc-js hands the very same object to the config selector and to
 * the pick of each attempt, so it carries the decision and what was tried.
 */
export interface RoutedCall extends RoutingOutcome {
  readonly method: string;
  /** Undefined while no snapshot is known; then taken at the first pick that has one. Never changes afterwards. */
  decision: Decision | undefined;
  /** Endpoints of attempts that started, oldest first, those included that no application can have seen. */
  tried: Endpoint[] | undefined;
  /** Attempts that count: those that started, save the ones that no application can have seen. */
  attempts: number;
  /** Attempts in a row that could not be begun: the transport threw. */
  unsent: number;
  /** Why none of them can be: the call ends with it. Undefined: another one may. */
  unsentReason: string | undefined;
  /** Attempts that are out now. */
  inFlight: number;
  /** Whether its subset's fallback may have it, where that is capped. */
  fallbackUse: FallbackUse;
  lastEnding: AttemptEnding;
  /** gRPC code of the attempt that ended last; -1 when none did, or the last one reached nobody. */
  lastCode: number;
  /** The server of that attempt wants fewer calls, and for how long it asked to be left alone; negative: no further try. */
  wasLess: boolean;
  pushbackMs: number | undefined;
  /** Nobody above need try the call again: it was tried again here, or could not be for reasons that hold above too. */
  readonly isTriedOut: boolean;
  /** Where an attempt of it was answered with a failure, and with which code: another endpoint may answer with the same. */
  failedAt: Endpoint | undefined;
  failedIn: Pool | undefined;
  failedWith: number;
  /** Where a good answer came from, and who is told when it cannot be used. Undefined before. */
  answeredAt: Endpoint | undefined;
  answeredIn: Pool | undefined;
  answerJudge: AnswerJudge | undefined;
  /** The attempt that ended last was a breaker's probe: when its connection breaks, it is tried again elsewhere. */
  wasProbe: boolean;
  /** Undefined where the method's definition was not seen. */
  readonly kind: CallKind | undefined;
  /** One response at most, as far as is known. */
  readonly isSingleResponse: boolean;
  /** The call may run again, and has an attempt left. */
  readonly canTryAgain: boolean;
  /**
   * Asked before an attempt starts: may its response be kept until it is whole, since the call can be tried again should it
   * break off?
   */
  readonly mayHoldResponse: boolean;
  /** Requests larger than this grpc-js does not keep, so that their calls are not tried again. */
  readonly retryBufferBytes: number;
  /** The next attempt is a further one, and none follows it. */
  readonly isLastAttempt: boolean;
  /** The call's owner has said that it may run again, and its channel lets it. One that may not makes a poor probe. */
  readonly mayRetry: boolean;
  /** Will the failure that has just ended an attempt be followed by another? Asked at most once for each. */
  willTryAgain(): boolean;
  /**
   * Asks to end the attempt that is out in favour of another, and draws that one from the retry budget; for a probe also
   * when the budget is spent. False: it must go on.
   */
  giveUpAttempt(isProbe: boolean): boolean;
  /** `peer` is answering, and what it said is held. */
  answering(peer: string): void;
  /** The same credentials, made in the async context of the caller: grpc-js asks for them in another one's. */
  inCallersContext(credentials: CallCredentials): CallCredentials;
  /** Set by the picker when waiting or trying again cannot help (nothing exists that could serve): no retry then. */
  isRefused: boolean;
  /** The first pool that breakers closed to the last pick: its subset's, or those of all its endpoints. For observers. */
  rejectedAt: { readonly subset: string; readonly datacenter: string } | undefined;
  /** Told about each attempt, when somebody wants to know (observers, spans). */
  readonly observer: AttemptObserver | undefined;
}

/** Hears how a call ended whose attempt had ended well: grpc-js reads messages after that, where a response was held. */
export interface AnswerJudge {
  endedAfterAnswer(call: RoutedCall, details: string): void;
}

/** Called synchronously from grpc-js' callbacks; must not throw. */
export interface AttemptObserver {
  /** `metadata` is the attempt's own clone: what is set here is sent. */
  attemptPicked?(attempt: AttemptView, metadata: Metadata): void;
  attemptEnded?(attempt: AttemptView, code: number, details: string): void;
}

/** What an observer may read of an attempt, during the callback only: attempts are reused. */
export interface AttemptView {
  readonly call: RoutedCall;
  readonly endpoint: Endpoint;
  readonly subset: string;
  /** Position in the failover order; 0 is where the decision wanted it. */
  readonly tier: number;
  /** Nobody was fit to serve, so anybody connected does. */
  readonly isPanic: boolean;
  readonly startedAtMs: number;
}
