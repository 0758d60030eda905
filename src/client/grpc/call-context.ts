import type { Decision, ForceSelector } from '../../policy/plan';
import type { CallKind } from '../../policy/routing/call';
import type { AttemptObserver, RoutedCall } from '../balancer/attempts/routed-call';
import type { CallCredentials } from './grpc-js';

/** Under this symbol a call's context travels in its metadata options; nothing of it goes on the wire. */
export const CALL_CONTEXT: symbol = Symbol('graylane.call');

/** What a method's definition says of it. */
export interface MethodFacts {
  readonly kind: CallKind;
  /** Its `idempotency_level` is NO_SIDE_EFFECTS or IDEMPOTENT. */
  readonly isIdempotent: boolean;
}

/**
 * What the wrapped Channel captured in the caller's async context. grpc-js runs selectors and picks in whichever
 * caller's context happened to resolve first, so nothing below may read that context itself.
 */
export interface CallContext {
  readonly force: ForceSelector | undefined;
  readonly stickyKey: string | undefined;
  readonly noRetry: boolean;
  /** Undefined where no definition of the method was seen. */
  readonly methodFacts: MethodFacts | undefined;
  readonly observer: AttemptObserver | undefined;
  /** The call on its way, from the moment it is routed. */
  routed: RoutedCall | undefined;
  /**
   * The decision has been taken. `late` is true when the call had been handed to grpc-js before anything was known, so
   * that its method config could not carry the route's timeout.
   */
  decided(decision: Decision, late: boolean): void;
  /** `peer` has begun to answer, and what it said is held until it is whole; grpc-js does not know it until then. */
  answering(peer: string): void;
  /** The same credentials, made in the async context of the caller. */
  inCallersContext(credentials: CallCredentials): CallCredentials;
}
