import type { GrpcModule, ServerInterceptor } from '../grpc/grpc-js';
import {
  type AcceptOptions,
  type AcceptRules,
  parseAcceptOptions,
  parseInterceptorOptions,
  type ServerInterceptorOptions,
} from './accept';
import type { Ambient } from './ambient';
import { createHttpMiddleware, type HttpMiddleware } from './http-middleware';
import { LabelIntake } from './intake';
import { createServerInterceptor, type Entrance } from './server-interceptor';

/** The ways in of one Graylane client: everything that they accept ends in the Graylane client's own async context. */
export class Propagation {
  readonly #grpc: GrpcModule;
  readonly #ambient: Ambient;
  readonly #intake = new LabelIntake();

  constructor(grpc: GrpcModule, ambient: Ambient) {
    this.#grpc = grpc;
    this.#ambient = ambient;
  }

  /** By key, how often a caller's value was refused. */
  get refused(): Readonly<Record<string, number>> {
    return this.#intake.refused;
  }

  serverInterceptor(options: ServerInterceptorOptions): ServerInterceptor {
    const { rules, deadlineMarginMs } = parseInterceptorOptions(options, 'serverInterceptor');
    return createServerInterceptor(this.#grpc, this.#entrance(rules), deadlineMarginMs);
  }

  httpMiddleware(options: AcceptOptions): HttpMiddleware {
    return createHttpMiddleware(this.#entrance(parseAcceptOptions(options, 'httpMiddleware')));
  }

  #entrance(rules: AcceptRules): Entrance {
    return { rules, intake: this.#intake, ambient: this.#ambient };
  }
}
