import { randomUUID } from 'node:crypto';
import * as bundledGrpc from '@grpc/grpc-js';
import { systemClock } from '../base/clock';
import type { Subscription } from '../base/emitter';
import { GraylaneError } from '../base/errors';
import { consoleLogger, type Logger, safeLogger, toLogger } from '../base/logger';
import { ofKey } from '../base/of-key';
import { systemRandom } from '../base/random';
import type { PolicyDocument } from '../policy/document';
import { type AdminHandler, type AdminHandlerOptions, createAdminHandler } from './admin/admin-handler';
import { type ExplainRequest, type Explanation, explainCall } from './admin/explain';
import { inspectService } from './admin/inspect';
import { ProcessPage } from './admin/page/process-page';
import { RecentDecisions } from './admin/recent-decisions';
import type { ClientInspection, Graylane, TargetOptions } from './api';
import { createBalancerClass } from './balancer/balancer';
import { Candidates } from './candidate/candidates';
import { Participants, type TrialOptions } from './candidate/participants';
import type { StaticInstance } from './discovery/static-instance';
import { type CallScope, CallScopes } from './grpc/call-scope';
import type { GraylaneChannel } from './grpc/channel';
import { ChannelSet } from './grpc/channel-set';
import { checkKeys, checkLabels, checkOptions } from './grpc/check-arguments';
import { addClient, type ClientHandle, registerClient, removeClient } from './grpc/client-registry';
import {
  DecisionEvents,
  type DecisionListener,
  type DecisionListenerOptions,
  type DecisionObserver,
} from './grpc/decision-events';
import {
  type ChannelCredentials,
  type ChannelOptions,
  type ClientChannel,
  type ClientOptions,
  type GrpcModule,
  type Metadata,
  registerLoadBalancer,
  registerResolver,
  type ServerInterceptor,
} from './grpc/grpc-js';
import { createResolverClass } from './grpc/resolver';
import { checkTargetText, formatTarget, parseTarget, type Target } from './grpc/target';
import { type GraylaneOptions, type ParsedOptions, parseOptions, type Seams } from './options';
import type { AcceptOptions, ServerInterceptorOptions } from './propagation/accept';
import { createHttpMiddleware, type HttpMiddleware } from './propagation/http-middleware';
import { createServerInterceptor } from './propagation/server-interceptor';
import { RolloutMetrics } from './rollout-metrics/rollout-metrics';
import { Sources } from './sources';
import { BreakerHub, type ClientBreakers } from './state/client-breakers';
import { Service, type ServiceOptions } from './state/service';
import { ClientTelemetry } from './telemetry/client-telemetry';
import { type CallLogFields, currentLogFields } from './telemetry/log-fields';
import { observeService } from './telemetry/observe-service';
import { ServiceTelemetry } from './telemetry/service-telemetry';
import { waitUntilReady } from './wait-until-ready';

const TARGET_KEYS: readonly (keyof TargetOptions)[] = ['datacenters', 'tags', 'port', 'policy'];
const READY_KEYS = ['timeoutMs'];
const EXPLAIN_KEYS: readonly (keyof ExplainRequest)[] = ['method', 'labels', 'force', 'stickyKey'];
const LISTENER_KEYS: readonly (keyof DecisionListenerOptions)[] = ['sample'];

/** Opens a Graylane client. Does no I/O; throws INVALID_OPTION or PolicyError with every problem found. */
export function createGraylane(options: GraylaneOptions = {}): Graylane {
  return createGraylaneWith(options, {});
}

/** @internal With the world handed in, for tests. */
export function createGraylaneWith(options: GraylaneOptions, seams: Seams, hooks: TestHooks = {}): Graylane {
  return new GraylaneClient(parseOptions(options, seams.env), seams, hooks);
}

/** What a test client observes and stands in for. */
export interface TestHooks extends Partial<Pick<ServiceOptions, 'intercept' | 'onSnapshot'>> {
  readonly onDecision?: DecisionObserver;
}

class GraylaneClient implements Graylane {
  readonly name: string;
  readonly #options: ParsedOptions;
  readonly #seams: Required<Seams>;
  readonly #grpc: GrpcModule;
  readonly #sources: Sources;
  readonly #scopes: CallScopes;
  readonly #decisions: DecisionEvents;
  readonly #breakers: BreakerHub;
  readonly #telemetry: ClientTelemetry;
  readonly #rolloutMetrics: RolloutMetrics | undefined;
  readonly #participants: Participants | undefined;
  /** Kept from the first `adminHandler()` on. */
  #observed: { readonly decisions: RecentDecisions; readonly page: ProcessPage } | undefined;
  /** One for each target, created when a target is first used. */
  readonly #services = new Map<string, Service>();
  /** Services that somebody waited for: they stay watched until `close()`. */
  readonly #warm = new Set<Service>();
  readonly #hooks: TestHooks;
  readonly #logger: Logger;
  readonly #channels: ChannelSet;
  readonly #handle: ClientHandle;
  #closing: Promise<void> | undefined;

  constructor(options: ParsedOptions, seams: Seams, hooks: TestHooks) {
    this.name = options.name;
    this.#options = options;
    this.#telemetry = new ClientTelemetry(options.name, options.telemetry);
    const { random = systemRandom, decisionRandom = random } = seams;
    this.#seams = { clock: systemClock, clientId: randomUUID(), env: process.env, ...seams, random, decisionRandom };
    const logger = safeLogger(toLogger(options.logger ?? consoleLogger));
    this.#breakers = new BreakerHub(logger);
    this.#decisions = new DecisionEvents(this.#seams.clock, this.#seams.clientId, options.mode, logger);
    if (hooks.onDecision !== undefined) this.#decisions.observe(hooks.onDecision);
    this.#grpc = options.grpc ?? bundledGrpc;
    registerWith(this.#grpc);
    this.#scopes = new CallScopes(options.baggage);
    this.#hooks = hooks;
    this.#logger = logger;
    const runtime = { ...this.#seams, logger };
    // A client that only watches its policies moves no call, whatever is applied.
    const takesPart = options.reportRolloutMetrics && options.mode === 'route';
    const candidates = takesPart ? new Candidates(runtime) : undefined;
    this.#sources = new Sources(options, { ...runtime, candidates });
    this.#rolloutMetrics = options.reportRolloutMetrics ? new RolloutMetrics(runtime) : undefined;
    this.#participants = candidates && new Participants({ ...runtime, candidates, decisions: this.#decisions });
    this.#handle = {
      name: this.name,
      service: (target) => this.#service(target),
      toJSON: () => `Graylane client ${this.name}`,
    };
    this.#channels = new ChannelSet({
      grpc: this.#grpc,
      handle: this.#handle,
      clock: this.#seams.clock,
      scopes: this.#scopes,
      staticLabels: options.labels,
    });
    addClient(this.#handle);
  }

  target(service: string, options: TargetOptions = {}): string {
    checkTargetText(service);
    checkKeys(options, 'target', TARGET_KEYS);
    const { scheme } = this.#sources;
    const { datacenters, tags = [], port, policy } = options;
    const target: Target = { scheme, authority: undefined, service, datacenters, tags, port, policy };
    return formatTarget(parseTarget(formatTarget(target)));
  }

  clientOptions(options: ClientOptions = {}): ClientOptions {
    checkOptions(options);
    for (const key of ['channelOverride', 'channelFactoryOverride'] as const) {
      if (options[key] !== undefined) {
        throw new GraylaneError(
          'INVALID_OPTION',
          `${key}: given (expected: none, the Graylane client brings its own channel)`,
        );
      }
    }
    return {
      ...options,
      callInvocationTransformer: this.#channels.knownMethods.learnFrom(options.callInvocationTransformer),
      channelFactoryOverride: (address, credentials, rest) => this.#open(address, credentials, rest),
    };
  }

  channelOptions(options: ClientOptions = {}): ClientOptions {
    return this.clientOptions(options);
  }

  channel(service: string, credentials: ChannelCredentials, options: ChannelOptions = {}): ClientChannel {
    return this.#open(service, credentials, options) as unknown as ClientChannel;
  }

  describeMethods(...definitions: readonly object[]): void {
    for (const definition of definitions) this.#channels.knownMethods.learn(definition);
  }

  metadata(labels: Readonly<Record<string, string>>): Metadata {
    const metadata = new this.#grpc.Metadata();
    for (const [key, value] of Object.entries(this.labels(labels))) metadata.set(key, value);
    return metadata;
  }

  labels(labels: Readonly<Record<string, string>>): Record<string, string> {
    return checkLabels(labels, 'labels');
  }

  with<T>(scope: CallScope, fn: () => T): T {
    const checked = scope.labels === undefined ? scope : { ...scope, labels: checkLabels(scope.labels, 'labels') };
    return this.#scopes.run(checked, fn);
  }

  ambientLabels(): Record<string, string> {
    return { ...this.#scopes.current()?.labels };
  }

  serverInterceptor(options: ServerInterceptorOptions): ServerInterceptor {
    return createServerInterceptor(this.#grpc, this.#scopes, options);
  }

  httpMiddleware(options: AcceptOptions): HttpMiddleware {
    return createHttpMiddleware(this.#scopes, options);
  }

  async ready(service: string, options: { readonly timeoutMs?: number } = {}): Promise<void> {
    checkKeys(options, 'ready', READY_KEYS);
    const target = this.#parse(service);
    const watched = this.#service(target);
    if (!this.#warm.has(watched)) watched.subscribe(() => {});
    this.#warm.add(watched);
    await waitUntilReady(watched, this.#channels.to(target), options.timeoutMs ?? 5_000);
  }

  setPolicy(service: string, document: PolicyDocument | undefined): void {
    this.#sources.setPolicy(service, document);
  }

  setInstances(service: string, instances: readonly StaticInstance[]): void {
    this.#sources.setInstances(service, instances);
  }

  explain(service: string, request: ExplainRequest): Explanation {
    checkKeys(request, 'explain', EXPLAIN_KEYS);
    const facts = this.#channels.knownMethods.byPath.get(request.method);
    return explainCall(this.#service(this.#parse(service)), request, this.#options.labels, facts);
  }

  on(event: 'decision', listener: DecisionListener, options?: DecisionListenerOptions): Subscription {
    if (event !== 'decision') {
      throw new GraylaneError('INVALID_OPTION', `on: ${String(event)} (expected: 'decision')`);
    }
    if (typeof listener !== 'function') {
      throw new GraylaneError('INVALID_OPTION', `on.listener: a ${typeof listener} (expected: a function)`);
    }
    if (options !== undefined) checkKeys(options, 'on', LISTENER_KEYS);
    return this.#decisions.on(listener, options);
  }

  get breakers(): ClientBreakers {
    return this.#breakers;
  }

  inspect(): ClientInspection {
    return {
      client: this.name,
      consul: this.#sources.load,
      services: [...this.#services.values()].map(inspectService),
      refusedLabels: this.#scopes.incoming.refused,
    };
  }

  logFields(): CallLogFields {
    return currentLogFields({ ...this.#options.labels, ...this.#scopes.current()?.labels });
  }

  adminHandler(options?: AdminHandlerOptions): AdminHandler {
    this.#observed ??= this.#observe();
    const { decisions, page } = this.#observed;
    const source = {
      name: this.name,
      inspect: () => this.inspect(),
      explain: (service: string, request: ExplainRequest) => this.explain(service, request),
      decisions: () => decisions.list(),
      traffic: page.traffic.bind(page),
      stream: page.stream.bind(page),
    };
    return createAdminHandler(source, options);
  }

  #observe() {
    const { clock } = this.#seams;
    const decisions = new RecentDecisions();
    this.#decisions.observe((decision, call) => decisions.add(clock.wallNow(), decision, call));
    const page = new ProcessPage({
      clock,
      client: this.name,
      decisions,
      services: () => this.#services.values(),
      consul: () => this.#sources.load,
      refusedLabels: () => this.#scopes.incoming.refused,
    });
    return { decisions, page };
  }

  register(): void {
    this.#assertOpen();
    registerClient(this.#handle);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    removeClient(this.#handle);
    this.#observed?.page.close();
    if (!this.#channels.isIdle) await this.#channels.drain(this.#options.closeTimeoutMs);
    this.#channels.close();
    await this.#rolloutMetrics?.close();
    this.#telemetry.close();
    for (const service of this.#services.values()) service.close();
    this.#participants?.close();
    await this.#sources.close();
  }

  #open(address: string, credentials: ChannelCredentials, options: ChannelOptions): GraylaneChannel {
    this.#assertOpen();
    return this.#channels.open(this.#parse(address), credentials, options);
  }

  #parse(serviceOrTarget: string): Target {
    checkTargetText(serviceOrTarget);
    return parseTarget(serviceOrTarget.includes('://') ? serviceOrTarget : this.target(serviceOrTarget));
  }

  #reportRolloutMetrics({ target, balancer, breakers }: Service): () => void {
    const { attemptListeners } = balancer;
    const place = this.#rolloutMetrics === undefined ? undefined : this.#sources.rolloutPlace(target);
    if (this.#rolloutMetrics === undefined || place === undefined) return () => {};
    const isShed = (subset: string): boolean => breakers.isOpenAnywhere(subset);
    return this.#rolloutMetrics.use(place, { attemptListeners, isShed });
  }

  #takePart(service: Service, options: TrialOptions): () => void {
    const place = this.#participants && this.#sources.candidatePlace(service.target);
    if (this.#participants === undefined || place === undefined) return () => {};
    return this.#participants.use(place, service, options);
  }

  #createService(target: Target, key: string): Service {
    const options = this.#options;
    const seams = this.#seams;
    const hooks = this.#hooks;
    const { datacenters } = options;
    // `payments`, or `payments?dc=dc2` where a target says more than the name.
    const name = key.slice(key.lastIndexOf('/') + 1);
    const state = {
      target,
      ...this.#sources.of(target),
      datacenters: datacenters === 'all' ? undefined : datacenters,
      clock: seams.clock,
      logger: this.#logger,
    };
    const service: Service = new Service({
      ...state,
      telemetry: new ServiceTelemetry(this.#telemetry, name, {
        retriesRefused: () => service.balancer.retryBudget.refused,
        observe: (to) => observeService(service, to),
      }),
      staticLabels: options.labels,
      random: seams.random,
      decisionRandom: seams.decisionRandom,
      clientId: seams.clientId,
      connectDeadlineMs: options.connectTimeoutMs,
      authorityMetaKey: options.authorityMetaKey,
      intercept: hooks.intercept,
      onSnapshot: hooks.onSnapshot,
      onUse: (used) => {
        const ends = [this.#reportRolloutMetrics(used), this.#takePart(used, state)];
        return () => {
          for (const end of ends) end();
        };
      },
      decisions: this.#decisions,
    });
    this.#breakers.add(service);
    this.#observed?.page.add(service);
    return service;
  }

  #service(target: Target): Service {
    this.#assertOpen();
    const key = formatTarget(target);
    return ofKey(this.#services, key, () => this.#createService(target, key));
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new GraylaneError('CLIENT_CLOSED', `${this.name} is closed`);
  }
}

const prepared = new WeakSet<GrpcModule>();

/** Teaches a copy of grpc-js the schemes and the balancer of this library. Done by `createGraylane()` for its own. */
export function registerWith(grpc: GrpcModule): void {
  if (prepared.has(grpc)) return;
  prepared.add(grpc);
  const resolver = createResolverClass();
  registerResolver(grpc, 'consul', resolver);
  registerResolver(grpc, 'static', resolver);
  registerLoadBalancer(grpc, createBalancerClass(grpc));
}
