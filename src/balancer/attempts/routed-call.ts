import type { Metadata } from '../../internal/grpc';
import type { Decision } from '../../policy/plan';
import type { RoutingOutcome } from '../../routing/call';
import type { Endpoint } from '../endpoints/endpoint';
import type { FallbackUse } from '../tiers/fallback-use';

/** What a call looks like by the definition of its method. Undefined: its client did not show the definition. */
export type CallKind = 'unary' | 'clientStream' | 'serverStream' | 'bidi' | undefined;

/**
 * One call on its way through resolver and balancer. grpc-js hands the very same object to the config selector and to
 * the pick of each attempt, so it carries the decision and what was tried.
 */
export interface RoutedCall extends RoutingOutcome {
  readonly method: string;
  /** Undefined while no snapshot is known; then taken at the first pick that has one. Never changes afterwards. */
  decision: Decision | undefined;
  /** Endpoints of attempts that started, oldest first. */
  tried: Endpoint[] | undefined;
  /** Attempts that are out now. */
  inFlight: number;
  /** Whether its subset's fallback may have it, where that is capped. */
  fallbackUse: FallbackUse;
  /** gRPC code of the attempt that ended last; -1 when none did, or the last one reached nobody. */
  lastCode: number;
  /** The attempt that ended last was a breaker's probe that no server answered: it is retried elsewhere whatever its code. */
  wasProbe: boolean;
  /** A failure of the attempt that is out now would be followed by another. */
  readonly canTryAgain: boolean;
  /** A response may be kept until it is whole, as it could still be had from somebody else. */
  readonly mayHoldResponse: boolean;
  /** No attempt follows the next one. */
  readonly isLastAttempt: boolean;
  /** May this call be tried again? One that may not makes a poor probe. */
  readonly mayRetry: boolean;
  readonly kind: CallKind;
  /** Set by the picker when waiting or trying again cannot help (nothing exists that could serve): no retry then. */
  isRefused: boolean;
  /** The first pool that breakers closed to the last pick: its subset's, or those of all its endpoints. For observers. */
  rejectedAt: { readonly subset: string; readonly datacenter: string } | undefined;
  /** Told about each attempt, when somebody wants to know (observers, spans). */
  readonly observer: AttemptObserver | undefined;
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
