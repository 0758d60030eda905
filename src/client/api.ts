// `Symbol.asyncDispose` in our declarations must mean something to a project whose `lib` is older and that has no Node
// types.
/// <reference lib="esnext.disposable" preserve="true" />
import type {
  Channel,
  ChannelCredentials,
  ChannelOptions,
  ClientOptions,
  Metadata,
  ServerInterceptor,
} from '@grpc/grpc-js';
import type { Subscription } from '../base/emitter';
import type { AgentLoad } from '../consul/request';
import type { PolicyDocument } from '../policy/document';
import type { AdminHandler, AdminHandlerOptions } from './admin/admin-handler';
import type { ExplainRequest, Explanation } from './admin/explain';
import type { ServiceInspection } from './admin/inspect';
import type { StaticInstance } from './discovery/static-instance';
import type { CallScope } from './grpc/call-scope';
import type { DecisionListener, DecisionListenerOptions } from './grpc/decision-events';
import type { PolicyMode } from './grpc/target';
import type { AcceptOptions, ServerInterceptorOptions } from './propagation/accept';
import type { HttpMiddleware } from './propagation/http-middleware';
import type { ClientBreakers } from './state/client-breakers';
import type { CallLogFields } from './telemetry/log-fields';

/** Query of a target, see `Graylane.target()`. */
export interface TargetOptions {
  /** Overrides the Graylane client's datacenters, first is local. */
  readonly datacenters?: readonly string[];
  /** Only instances that carry all of these Consul tags. */
  readonly tags?: readonly string[];
  /** Of services with several ports (Consul 1.22 and later) the one that is called so. Default: their default port. */
  readonly port?: string;
  /** Where the policy of the service comes from. Default `auto`. */
  readonly policy?: PolicyMode;
}

/** `graylane.inspect()`: plain JSON. */
export interface ClientInspection {
  /** Name of the Graylane client. */
  readonly client: string;
  /** Requests open at each Consul agent: see `docs/consul-load.md` for what an agent takes. */
  readonly consul: readonly AgentLoad[];
  /** Services that it has channels to, or was asked about. */
  readonly services: readonly ServiceInspection[];
  /** By key, how often the value of an accepted label was refused: sent twice, no plain text, or too long. */
  readonly refusedLabels: Readonly<Record<string, number>>;
}

/**
 * A client: one set of discovery watches, policies, load statistics and breakers, and the channels that share them. Two
 * Graylane clients share nothing. Made by `createGraylane()`; lives until `close()`.
 */
export interface Graylane {
  /** As given in the options; `client-` and a number otherwise. */
  readonly name: string;
  /** `consul:///payments` (or `static:///payments`), to be given to a generated client with `clientOptions()`. */
  target(service: string, options?: TargetOptions): string;
  /**
   * Options for a grpc-js client, a fresh object each time. Throws INVALID_OPTION if `channelFactoryOverride` is given.
   */
  clientOptions(options?: ClientOptions): ClientOptions;
  /** The same for frameworks that take channel options, such as NestJS' `channelOptions`. */
  channelOptions(options?: ClientOptions): ClientOptions;
  /** The Channel itself, for clients that take one, such as nice-grpc. `service` is a name or a whole target. */
  channel(service: string, credentials: ChannelCredentials, options?: ChannelOptions): Channel;
  /**
   * Tells the kind of methods and their `idempotency_level`, on which retries depend: service definitions of
   * proto-loader, grpc-tools, ts-proto or nice-grpc. Clients made with `clientOptions()` show theirs by themselves;
   * those that take `channel()`, such as nice-grpc's, do not. What is no such definition is passed over.
   */
  describeMethods(...definitions: readonly object[]): void;
  /**
   * grpc-js Metadata holding these labels: at most 64, each value of printable ASCII and at most 4,096 characters.
   * Throws INVALID_LABEL.
   */
  metadata(labels: Readonly<Record<string, string>>): Metadata;
  /** The same as a plain record, for clients with metadata of their own. Throws INVALID_LABEL. */
  labels(labels: Readonly<Record<string, string>>): Record<string, string>;
  /**
   * Runs `fn`; the calls begun in it, also after `await`, follow `scope`. Throws INVALID_LABEL or INVALID_OPTION before
   * `fn` runs.
   */
  with<T>(scope: CallScope, fn: () => T): T;
  /**
   * The labels that calls begun here carry from their async context, without static ones: for HTTP clients and logs.
   */
  ambientLabels(): Record<string, string>;
  /**
   * For `new grpc.Server({ interceptors: [...] })`: handlers of all four kinds, and all that they start, run with the
   * labels that their caller sent, as far as they are accepted. In place of those of a `with()` around the server, and
   * nothing else of the caller's metadata becomes a label. Throws INVALID_OPTION.
   *
   * The calls that they make through this client have no more time than the served call has (the shorter deadline
   * holds, less `deadlineMarginMs`), and end with CANCELLED when its client cancels it or disconnects. Once it is
   * answered, it binds nothing that is begun later, and cancels nothing. `with({ deadline: 'own' })`, and grpc-js' own
   * `parent`, step out of both.
   */
  serverInterceptor(options: ServerInterceptorOptions): ServerInterceptor;
  /** The same for HTTP, as `(req, res, next)`: plain `http`, Express, and Fastify's `onRequest` hook. */
  httpMiddleware(options: AcceptOptions): HttpMiddleware;
  /**
   * Resolves when policy and instances of a service are known, some usable instance exists, and every open channel to
   * it has a connection. Rejects with NOT_READY and what is missing after `timeoutMs` (default 5000).
   */
  ready(service: string, options?: { readonly timeoutMs?: number }): Promise<void>;
  /** Puts a policy document in force over what Consul or a file says; `undefined` takes it back. Throws PolicyError. */
  setPolicy(service: string, document: PolicyDocument | undefined): void;
  /** Replaces the instances of a `static:` service. Throws INVALID_INSTANCE. */
  setInstances(service: string, instances: readonly StaticInstance[]): void;
  /** Why a call with these labels would go where it would go now. Throws NOT_READY when nothing is known yet. */
  explain(service: string, request: ExplainRequest): Explanation;
  /**
   * Tells of each decision, or of a sample of them. Gives what ends it. Throws INVALID_OPTION for a bad `sample`. See
   * `recordCalls()` for what is to be replayed.
   */
  on(event: 'decision', listener: DecisionListener, options?: DecisionListenerOptions): Subscription;
  /** Circuit breakers of endpoints, and of subsets in their datacenters. */
  readonly breakers: ClientBreakers;
  /** Everything that the client knows at present, as plain JSON. */
  inspect(): ClientInspection;
  /**
   * Fields for a log line written here: trace and span of the current OpenTelemetry context, and the labels that calls
   * begun here carry.
   */
  logFields(): CallLogFields;
  /**
   * For a port that only operators reach: a page for browsers, and `inspect()`, `explain()`, the last decisions and the
   * policies as JSON. Nothing is served until it is mounted, and nothing of it can change anything. Takes `(req, res)`
   * of `http`, Express and Fastify. Throws INVALID_OPTION. See `docs/page.md`.
   */
  adminHandler(options?: AdminHandlerOptions): AdminHandler;
  /** Makes this Graylane client the one that bare targets find, for clients that were given no options. */
  register(): void;
  /** Waits for calls in flight (at most `closeTimeoutMs`), closes the channels, stops every watch. Idempotent. */
  close(): Promise<void>;
  /** The same as `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
