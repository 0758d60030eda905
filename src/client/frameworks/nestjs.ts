import type { ChannelOptions } from '@grpc/grpc-js';
import type { Graylane } from '../api';
import { createGraylane } from '../graylane';
import type { GraylaneOptions } from '../options';
import type { AcceptOptions } from '../propagation/accept';
import type { HttpMiddleware } from '../propagation/http-middleware';
import { isClient } from './framework-options';

/** Injection token of the application's Graylane client: `@Inject(GRAYLANE) graylane: Graylane`. */
export const GRAYLANE: unique symbol = Symbol.for('graylane');

/** Injection token of a {@link GraylaneHealth}. */
export const GRAYLANE_HEALTH: unique symbol = Symbol.for('graylane.health');

const OPTIONS: unique symbol = Symbol.for('graylane.options');

/** What {@link GraylaneModule} takes. */
export interface GraylaneModuleOptions {
  /**
   * What `createGraylane()` takes, or a Graylane client that somebody else closes. Default: what the environment says.
   */
  readonly client?: GraylaneOptions | Graylane;
  /** Labels that HTTP requests may bring, as in `httpMiddleware()`. Default: none, and no middleware. */
  readonly accept?: AcceptOptions['accept'];
  /** Services without which the application does not start, as `ready()` sees them. Default: none. */
  readonly waitFor?: readonly string[];
  /** How long the start waits for each of them, milliseconds. Default: 5000. */
  readonly readyTimeoutMs?: number;
}

/** Options that are known only when the application is put together, such as those of a ConfigService. */
export interface GraylaneModuleAsyncOptions {
  /** Modules whose providers `inject` names. Default: none. */
  readonly imports?: NestValue[];
  /** Tokens of what `useFactory` gets. Default: none. */
  readonly inject?: NestValue[];
  /** Gives the options. What it throws ends the start of the application. */
  readonly useFactory: (...injected: NestValue[]) => GraylaneModuleOptions | Promise<GraylaneModuleOptions>;
}

/** NestJS types what it injects as `any`; so must whoever hands it on. */
// biome-ignore lint/suspicious/noExplicitAny: NestJS' own type of providers, tokens and modules.
type NestValue = any;

/** A dynamic module of NestJS, without its types: this package does not bring NestJS. */
export interface GraylaneDynamicModule {
  /** A class of its own for each application. */
  module: new () => object;
  /** True: other modules need not import it. */
  global: boolean;
  /** Those of {@link GraylaneModuleAsyncOptions}. */
  imports: NestValue[];
  /** The client, its health, and what opens and closes it. */
  providers: NestValue[];
  /** The tokens {@link GRAYLANE} and {@link GRAYLANE_HEALTH}. */
  exports: NestValue[];
}

/** What `ClientsModule.registerAsync()` takes for one service. */
export interface NestGrpcClient {
  /** The injection token of the client. */
  name: symbol | string;
  /** What the factory gets: the token {@link GRAYLANE}. */
  inject: NestValue[];
  /** Called by NestJS. `transport` is its `Transport.GRPC`. */
  useFactory: (graylane: Graylane) => { transport: 4; options: NestValue };
}

/**
 * Graylane as a module of NestJS 10 or 11, on Express or Fastify: one Graylane client for the application, which is
 * closed with it. It is global. NestJS closes on signals only after `app.enableShutdownHooks()`.
 *
 * @example
 * ```ts
 * import { Module } from '@nestjs/common';
 * import { ClientsModule } from '@nestjs/microservices';
 * import { GraylaneModule } from 'graylane/nestjs';
 *
 * @Module({
 *   imports: [
 *     GraylaneModule.forRoot({ accept: ['x-gray', 'x-user-id'], waitFor: ['payments'] }),
 *     ClientsModule.registerAsync([
 *       GraylaneModule.grpcClient('PAYMENTS', 'payments', { package: 'shop.v1', protoPath: 'payments.proto' }),
 *     ]),
 *   ],
 * })
 * export class AppModule {}
 * ```
 */
export const GraylaneModule: NestModule = {
  forRoot: (options = {}) => dynamicModule({ provide: OPTIONS, useValue: options }, []),
  forRootAsync: ({ imports = [], inject = [], useFactory }) =>
    dynamicModule({ provide: OPTIONS, inject, useFactory }, imports),
  grpcClient: (name, service, options) => ({
    name,
    inject: [GRAYLANE],
    useFactory: (graylane) => {
      const channelOptions = graylane.channelOptions(options.channelOptions);
      return { transport: 4, options: { ...options, url: graylane.target(service), channelOptions } };
    },
  }),
};

/** What {@link GraylaneModule} can do. */
export interface NestModule {
  /** The module with these options. Once in an application. Bad ones end its start with INVALID_OPTION. */
  forRoot(options?: GraylaneModuleOptions): GraylaneDynamicModule;
  /** The module with options that a factory gives. Once in an application. */
  forRootAsync(options: GraylaneModuleAsyncOptions): GraylaneDynamicModule;
  /**
   * A client of gRPC for `ClientsModule.registerAsync([...])`. `name`: its injection token. `service`: the name in
   * Consul. `options`: what NestJS wants for a client of gRPC, without `url`; its `channelOptions` are kept.
   */
  grpcClient(
    name: symbol | string,
    service: string,
    options: { readonly channelOptions?: ChannelOptions; readonly [option: string]: unknown },
  ): NestGrpcClient;
}

/** For health checks of the application, as `@nestjs/terminus` 11 takes them: `@Inject(GRAYLANE_HEALTH)`. */
export class GraylaneHealth {
  readonly #graylane: Graylane;

  constructor(graylane: Graylane) {
    this.#graylane = graylane;
  }

  /**
   * Whether calls to all of these services could be made now. Never rejects. `down` says what is missing. `key`: under
   * which name the result stands.
   */
  async check(key: string, services: readonly string[]): Promise<Record<string, GraylaneHealthResult>> {
    const problems: string[] = [];
    for (const service of services) {
      try {
        await this.#graylane.ready(service, { timeoutMs: 1 });
      } catch (error) {
        problems.push(`${service}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return { [key]: problems.length === 0 ? { status: 'up' } : { status: 'down', message: problems.join('; ') } };
  }
}

/** A part of the answer of a health check. */
export interface GraylaneHealthResult {
  /** `down`: calls to some of the services could not be made. */
  readonly status: 'up' | 'down';
  /** What is missing. Absent: nothing. */
  readonly message?: string;
}

interface MiddlewareConsumer {
  apply(middleware: HttpMiddleware): { forRoutes(path: string): unknown };
}

function dynamicModule(options: NestValue, imports: NestValue[]): GraylaneDynamicModule {
  // NestJS injects into classes by decorators, which a package without NestJS does not have: they share what is here.
  let middleware: HttpMiddleware | undefined;
  class GraylaneRootModule {
    configure(consumer: MiddlewareConsumer): void {
      if (middleware !== undefined) consumer.apply(middleware).forRoutes('*');
    }
  }
  const client = {
    provide: GRAYLANE,
    inject: [OPTIONS],
    useFactory: ({ client: given, accept }: GraylaneModuleOptions): Graylane => {
      const graylane = given !== undefined && isClient(given) ? given : createGraylane(given);
      if (accept !== undefined) middleware = graylane.httpMiddleware({ accept });
      return graylane;
    },
  };
  const lifecycle = {
    provide: Lifecycle,
    inject: [OPTIONS, GRAYLANE],
    useFactory: (settings: GraylaneModuleOptions, graylane: Graylane) => new Lifecycle(settings, graylane),
  };
  const health = {
    provide: GRAYLANE_HEALTH,
    inject: [GRAYLANE],
    useFactory: (graylane: Graylane) => new GraylaneHealth(graylane),
  };
  return {
    module: GraylaneRootModule,
    global: true,
    imports,
    providers: [options, client, lifecycle, health],
    exports: [GRAYLANE, GRAYLANE_HEALTH],
  };
}

/** Both hooks are called by NestJS. */
class Lifecycle {
  readonly #options: GraylaneModuleOptions;
  readonly #graylane: Graylane;

  constructor(options: GraylaneModuleOptions, graylane: Graylane) {
    this.#options = options;
    this.#graylane = graylane;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { waitFor = [], readyTimeoutMs: timeoutMs = 5000 } = this.#options;
    await Promise.all(waitFor.map((service) => this.#graylane.ready(service, { timeoutMs })));
  }

  /** After NestJS has closed its servers, so that what was being served could still call. */
  async onApplicationShutdown(): Promise<void> {
    const { client } = this.#options;
    if (client === undefined || !isClient(client)) await this.#graylane.close();
  }
}
