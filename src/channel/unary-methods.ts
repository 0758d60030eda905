import type { CallKind } from '../balancer/attempts/routed-call';
import type { ClientOptions } from '../internal/grpc';

/** A service has some dozens of methods; a generic proxy that makes up paths must not fill the memory. */
const MOST_METHODS = 4_096;

/**
 * Which methods have one request and one response. A channel is told a call's path only, so this is learnt from the
 * clients made with the lane's options, which show each call's definition before they make it.
 */
export class UnaryMethods {
  readonly #kinds = new Map<string, CallKind>();

  /** False also for a method that no such client has called. */
  has(path: string): boolean {
    return this.kindOf(path) === 'unary';
  }

  kindOf(path: string): CallKind {
    return this.#kinds.get(path);
  }

  /** For a client's options; `inner` is the user's own, which still has the last word on the call. */
  learnFrom(inner: Transformer | undefined): Transformer {
    return (call) => {
      const { path, requestStream, responseStream } = call.methodDefinition;
      if (this.#kinds.size < MOST_METHODS || this.#kinds.has(path)) {
        const streams = requestStream ? 'clientStream' : 'unary';
        this.#kinds.set(path, responseStream ? (requestStream ? 'bidi' : 'serverStream') : streams);
      }
      return inner === undefined ? call : inner(call);
    };
  }
}

type Transformer = NonNullable<ClientOptions['callInvocationTransformer']>;
