import type { GrpcModule, ServerInterceptor } from '../grpc/grpc-js';
import {
  type AcceptOptions,
  type AcceptRules,
  parseAcceptOptions,
  parseInterceptorOptions,
  type ServerInterceptorOptions,
} from './accept';
import { createHttpMiddleware, type HttpMiddleware } from './http-middleware';
import { type Acceptance, type IncomingContexts, IncomingLabels } from './incoming-labels';
import { createServerInterceptor } from './server-interceptor';

/**
 * The server side of one client: interceptor and middleware, whose accepted labels end in the client's async context.
 */
export class Propagation {
  readonly #grpc: GrpcModule;
  readonly #contexts: IncomingContexts;
  readonly #incoming = new IncomingLabels();

  constructor(grpc: GrpcModule, contexts: IncomingContexts) {
    this.#grpc = grpc;
    this.#contexts = contexts;
  }

  /** By key, how often a caller's value was refused. */
  get refused(): Readonly<Record<string, number>> {
    return this.#incoming.refused;
  }

  serverInterceptor(options: ServerInterceptorOptions): ServerInterceptor {
    const { rules, deadlineMarginMs } = parseInterceptorOptions(options, 'serverInterceptor');
    return createServerInterceptor(this.#grpc, this.#acceptance(rules), deadlineMarginMs);
  }

  httpMiddleware(options: AcceptOptions): HttpMiddleware {
    return createHttpMiddleware(this.#acceptance(parseAcceptOptions(options, 'httpMiddleware')));
  }

  #acceptance(rules: AcceptRules): Acceptance {
    return { rules, incoming: this.#incoming, contexts: this.#contexts };
  }
}
