import { randomUUID } from 'node:crypto';
import * as bundledGrpc from '@grpc/grpc-js';
import { createBalancerClass } from './balancer/balancer';
import { type CallScope, CallScopes } from './channel/call-scope';
import { GraylaneChannel } from './channel/channel';
import { DEFAULT_CHANNEL_OPTIONS, FIXED_CHANNEL_OPTIONS } from './channel/default-options';
import { checkLabels } from './channel/label-rules';
import type { StaticInstance } from './discovery/static-instance';
import { GraylaneError } from './errors';
import { systemClock } from './internal/clock';
import {
  type ChannelCredentials,
  type ChannelOptions,
  type ClientChannel,
  type ClientOptions,
  type GrpcModule,
  LANE_OPTION,
  type Metadata,
  registerLoadBalancer,
  registerResolver,
  type ServerInterceptor,
} from './internal/grpc';
import { consoleLogger, type Logger, safeLogger, toLogger } from './internal/logger';
import { systemRandom } from './internal/random';
import type { Graylane, LaneInspection, TargetOptions } from './lane';
import { type GraylaneOptions, type ParsedOptions, parseOptions, type Seams } from './options';
import type { PolicyDocument } from './policy/document';
import type { AcceptOptions } from './propagation/accept';
import type { HttpMiddleware } from './propagation/http-middleware';
import { Propagation } from './propagation/propagation';
import {
  DecisionFeed,
  type DecisionListener,
  type DecisionListenerOptions,
  type Subscription,
} from './resolver/decision-feed';
import { type ExplainRequest, type Explanation, explainCall } from './resolver/explain';
import { inspectService } from './resolver/inspect';
import { BreakerHub, type LaneBreakers } from './resolver/lane-breakers';
import { addLane, type LaneHandle, registerLane, removeLane } from './resolver/lanes';
import { readService } from './resolver/read-service';
import { createResolverClass } from './resolver/resolver';
import { Service, type ServiceOptions } from './resolver/service';
import { formatTarget, parseTarget, type Target } from './resolver/target';
import { waitUntilReady } from './resolver/wait-ready';
import { type AdminHandler, createAdminHandler } from './telemetry/admin-handler';
import { LaneTelemetry } from './telemetry/lane-telemetry';
import { type CallLogFields, currentLogFields } from './telemetry/log-fields';
import { RecentDecisions } from './telemetry/recent-decisions';
import { Wiring } from './wiring';

/** Opens a lane. Does no I/O; throws INVALID_OPTION or PolicyError with every problem found. */
export function createGraylane(options: GraylaneOptions = {}): Graylane {
  return createLane(options, {});
}

/** @internal With the world handed in, for tests. */
export function createLane(options: GraylaneOptions, seams: Seams, hooks: LaneHooks = {}): Graylane {
  return new Lane(parseOptions(options, seams.env), seams, hooks);
}

/** @internal */
export interface LaneHooks {
  readonly onDecision?: ServiceOptions['onDecision'];
  readonly intercept?: ServiceOptions['intercept'];
  readonly onSnapshot?: ServiceOptions['onSnapshot'];
}

const prepared = new WeakSet<GrpcModule>();

/** Teaches a copy of grpc-js the schemes and the balancer of this library. Done by `createGraylane()` for its own. */
export function registerWith(grpc: GrpcModule): void {
  if (prepared.has(grpc)) return;
  prepared.add(grpc);
  const resolver = createResolverClass();
  registerResolver(grpc, 'consul', resolver);
  registerResolver(grpc, 'static', resolver);
  registerLoadBalancer(
    grpc,
    createBalancerClass(() => new grpc.Metadata()),
  );
}

class Lane implements Graylane {
  readonly name: string;
  readonly #options: ParsedOptions;
  readonly #seams: Required<Seams>;
  readonly #logger: Logger;
  readonly #grpc: GrpcModule;
  readonly #wiring: Wiring;
  readonly #hooks: LaneHooks;
  readonly #scopes: CallScopes;
  readonly #propagation: Propagation;
  readonly #decisions: DecisionFeed;
  readonly #breakers = new BreakerHub();
  readonly #telemetry: LaneTelemetry;
  /** Kept from the first `adminHandler()` on. */
  #recent: RecentDecisions | undefined;
  readonly #services = new Map<string, Service>();
  readonly #channels = new Map<GraylaneChannel, string>();
  readonly #warm = new Set<Service>();
  readonly #handle: LaneHandle;
  #callsInFlight = 0;
  #whenIdle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ParsedOptions, seams: Seams, hooks: LaneHooks) {
    this.name = options.name;
    this.#options = options;
    this.#hooks = hooks;
    this.#telemetry = new LaneTelemetry(options.name, options.telemetry);
    this.#seams = { clock: systemClock, random: systemRandom, clientId: randomUUID(), env: process.env, ...seams };
    this.#logger = safeLogger(toLogger(options.logger ?? consoleLogger));
    this.#decisions = new DecisionFeed(this.#seams.clock, this.#seams.clientId, this.#logger);
    this.#grpc = options.grpc ?? bundledGrpc;
    registerWith(this.#grpc);
    this.#scopes = new CallScopes(options.baggage);
    this.#propagation = new Propagation(this.#grpc, this.#scopes);
    this.#wiring = new Wiring(options, { ...this.#seams, logger: this.#logger });
    this.#handle = {
      name: this.name,
      service: (target) => this.#service(target),
      toJSON: () => `lane ${this.name}`,
    };
    addLane(this.#handle);
  }

  target(service: string, options: TargetOptions = {}): string {
    const { scheme } = this.#wiring;
    const target: Target = {
      scheme,
      authority: undefined,
      service,
      datacenters: options.datacenters,
      tags: options.tags ?? [],
      policy: options.policy,
    };
    return formatTarget(parseTarget(formatTarget(target)));
  }

  clientOptions(options: ClientOptions = {}): ClientOptions {
    for (const key of ['channelOverride', 'channelFactoryOverride'] as const) {
      if (options[key] !== undefined) {
        throw new GraylaneError('INVALID_OPTION', `${key}: given (expected: none, the lane brings its own channel)`);
      }
    }
    return {
      ...options,
      channelFactoryOverride: (address, credentials, rest) => this.#channel(address, credentials, rest),
    };
  }

  channelOptions(options: ClientOptions = {}): ClientOptions {
    return this.clientOptions(options);
  }

  channel(service: string, credentials: ChannelCredentials, options: ChannelOptions = {}): ClientChannel {
    const address = service.includes('://') ? service : this.target(service);
    return this.#channel(address, credentials, options) as unknown as ClientChannel;
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

  serverInterceptor(options: AcceptOptions): ServerInterceptor {
    return this.#propagation.serverInterceptor(options);
  }

  httpMiddleware(options: AcceptOptions): HttpMiddleware {
    return this.#propagation.httpMiddleware(options);
  }

  async ready(service: string, options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const target = this.#parse(service);
    const key = formatTarget(target);
    const channels = [...this.#channels].filter(([, of]) => of === key).map(([channel]) => channel);
    const watched = this.#service(target);
    // Whoever asks for readiness wants the service kept warm, also before the first channel.
    if (!this.#warm.has(watched)) {
      this.#warm.add(watched);
      watched.subscribe(() => {});
    }
    await waitUntilReady(watched, channels, options.timeoutMs ?? 5_000);
  }

  setPolicy(service: string, document: PolicyDocument | undefined): void {
    this.#wiring.setPolicy(service, document);
  }

  setInstances(service: string, instances: readonly StaticInstance[]): void {
    this.#wiring.setInstances(service, instances);
  }

  explain(service: string, request: ExplainRequest): Explanation {
    return explainCall(this.#service(this.#parse(service)), request, this.#options.labels);
  }

  on(_event: 'decision', listener: DecisionListener, options?: DecisionListenerOptions): Subscription {
    return this.#decisions.on(listener, options);
  }

  get breakers(): LaneBreakers {
    return this.#breakers;
  }

  inspect(): LaneInspection {
    return {
      lane: this.name,
      consul: this.#wiring.load,
      services: [...this.#services.values()].map((service) => inspectService(service)),
      refusedLabels: this.#propagation.refused,
    };
  }

  logFields(): CallLogFields {
    return currentLogFields({ ...this.#options.labels, ...this.#scopes.current()?.labels });
  }

  adminHandler(): AdminHandler {
    this.#recent ??= new RecentDecisions();
    const recent = this.#recent;
    return createAdminHandler({
      inspect: () => this.inspect(),
      explain: (service, request) => this.explain(service, request),
      decisions: () => recent.list(),
    });
  }

  register(): void {
    this.#assertOpen();
    registerLane(this.#handle);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    removeLane(this.#handle);
    if (this.#callsInFlight > 0 && this.#options.closeTimeoutMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#seams.clock.setTimer(this.#options.closeTimeoutMs, resolve);
        this.#whenIdle = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    for (const channel of [...this.#channels.keys()]) channel.close();
    this.#telemetry.close();
    for (const service of this.#services.values()) service.close();
    this.#wiring.close();
    await this.#wiring.flush();
  }

  #channel(address: string, credentials: ChannelCredentials, options: ChannelOptions): GraylaneChannel {
    this.#assertOpen();
    const target = this.#parse(address);
    // Before grpc-js sees the target: what is wrong with it, or with its policy mode, is told in our words.
    this.#service(target);
    if (!(credentials instanceof this.#grpc.ChannelCredentials)) {
      throw new GraylaneError(
        'GRPC_MISMATCH',
        'credentials: made by another copy of @grpc/grpc-js (expected: the copy that graylane uses). ' +
          'Run "npm ls @grpc/grpc-js"; then dedupe, or hand your copy in: createGraylane({ grpc })',
      );
    }
    const inner = new this.#grpc.Channel(formatTarget(target), credentials, {
      ...DEFAULT_CHANNEL_OPTIONS,
      ...options,
      ...FIXED_CHANNEL_OPTIONS,
      [LANE_OPTION]: this.#handle,
    });
    const channel: GraylaneChannel = new GraylaneChannel(
      inner,
      {
        service: target.service,
        clock: this.#seams.clock,
        staticLabels: this.#options.labels,
        telemetry: this.#service(target).telemetry,
        callStarted: () => {
          this.#callsInFlight += 1;
        },
        callEnded: () => {
          this.#callsInFlight -= 1;
          if (this.#callsInFlight === 0) this.#whenIdle?.();
        },
        channelClosed: (closed) => this.#channels.delete(closed),
      },
      this.#scopes,
    );
    this.#channels.set(channel, formatTarget(target));
    return channel;
  }

  #parse(serviceOrTarget: string): Target {
    return parseTarget(serviceOrTarget.includes('://') ? serviceOrTarget : this.target(serviceOrTarget));
  }

  #service(target: Target): Service {
    this.#assertOpen();
    const key = formatTarget(target);
    let service = this.#services.get(key);
    if (service === undefined) {
      const { datacenters } = this.#options;
      const created: Service = new Service({
        target,
        // `payments`, or `payments?dc=dc2` where a target says more than the name.
        telemetry: this.#telemetry.service(key.slice(key.lastIndexOf('/') + 1), () => readService(created)),
        source: this.#wiring.source(target),
        policies: this.#wiring.policies(target),
        store: this.#wiring.store(target),
        holdEmptyMs: this.#wiring.holdEmptyMs(target),
        rules: this.#wiring.rules(target.service),
        datacenters: datacenters === 'all' ? undefined : datacenters,
        staticLabels: this.#options.labels,
        clock: this.#seams.clock,
        random: this.#seams.random,
        clientId: this.#seams.clientId,
        connectDeadlineMs: this.#options.connectTimeoutMs,
        authorityMetaKey: this.#options.authorityMetaKey,
        logger: this.#logger,
        intercept: this.#hooks.intercept,
        onSnapshot: this.#hooks.onSnapshot,
        onDecision: (decision, call, input) => {
          this.#hooks.onDecision?.(decision, call, input);
          this.#recent?.add(this.#seams.clock.wallNow(), decision, call);
          this.#decisions.decided(decision, call, input, this.#options.mode);
        },
      });
      service = created;
      this.#services.set(key, service);
      this.#breakers.add(service);
    }
    return service;
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new GraylaneError('LANE_CLOSED', `${this.name} is closed`);
  }
}
