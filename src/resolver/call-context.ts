import type { AttemptObserver, CallKind } from '../balancer/attempts/routed-call';
import type { Decision, ForceSelector } from '../policy/plan';

/** Under this symbol a call's context travels in its metadata options; nothing of it goes on the wire. */
export const CALL_CONTEXT: symbol = Symbol('graylane.call');

/**
 * What the wrapped Channel captured in the caller's async context. grpc-js runs selectors and picks in whichever
 * caller's context happened to resolve first, so nothing below may read that context itself.
 */
export interface CallContext {
  readonly force: ForceSelector | undefined;
  readonly stickyKey: string | undefined;
  readonly noRetry: boolean;
  /** One request, one response; false where that is not known. */
  readonly isUnary: boolean;
  readonly kind: CallKind;
  /** Bytes of requests so far: beyond its buffer grpc-js does not try a call again. */
  readonly sentBytes: number;
  readonly observer: AttemptObserver | undefined;
  /**
   * The decision has been taken. `late` is true when the call had been handed to grpc-js before anything was known, so
   * that its method config could not carry the route's timeout.
   */
  decided(decision: Decision, late: boolean): void;
}
