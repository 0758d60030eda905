import type { HedgingPlan } from '../../policy/plan';
import type { BalancerContext, ChannelLink } from '../balancer/context';
import type { Service } from '../state/service';
import { BareCall } from './bare-call';
import { CALL_STATE, type CallState } from './call-state';
import { type ChannelServiceConfig, readChannelServiceConfig } from './channel-service-config';
import { type ClientHandle, soleClient } from './client-registry';
import { faultFilter } from './fault-filter';
import {
  attachedToMetadata,
  type CallConfig,
  type ChannelOptions,
  CLIENT_OPTION,
  CONFIG_SELECTOR_KEY,
  COPIES_OPTION,
  type ConfigSelector,
  type Filter,
  type FilterFactory,
  type GrpcUri,
  LINK_ATTRIBUTE,
  type Metadata,
  type Resolver,
  type ResolverConstructor,
  type ResolverListener,
  type StatusObject,
  seconds,
  serviceConfig,
} from './grpc-js';
import { CopySelector } from './mirror/copy-selector';
import { responseFilter } from './response-filter';
import type { RetryRules } from './retry-rules';
import { targetFromUri } from './target';

/** grpc-js' own default. */
const RETRY_BUFFER_BYTES = 2 ** 20;

/**
 * The grpc-js resolver for `consul:` and `static:` targets: ties a channel to its client's service, and keeps that
 * watched while the channel is not idle. It answers once; the balancer hears of later snapshots from the service.
 * Created by grpc-js with the channel, so that a bad target or an unknown Graylane client throws there.
 */
export function createResolverClass(): ResolverConstructor {
  return class GraylaneResolver implements Resolver {
    static getDefaultAuthority(target: GrpcUri): string {
      return targetFromUri(target).service;
    }

    readonly #service: Service;
    readonly #listener: ResolverListener;
    readonly #link: ChannelLink;
    readonly #selector: ConfigSelector;
    #unsubscribe: (() => void) | undefined;
    #generation = 0;

    constructor(target: GrpcUri, listener: ResolverListener, options: ChannelOptions) {
      const client = (options[CLIENT_OPTION] as ClientHandle | undefined) ?? soleClient();
      this.#service = client.service(targetFromUri(target));
      const config = readChannelServiceConfig(this.#service, options);
      this.#listener = listener;
      const isForCopies = options[COPIES_OPTION] !== undefined;
      this.#link = createLink(this.#service, isForCopies);
      this.#selector = isForCopies
        ? new CopySelector()
        : new StableSelector(this.#service, this.#link, retryRules(this.#link.context, options), config);
    }

    /**
     * Called at first use, after each idle spell, and whenever the balancer would like news: they come by themselves.
     */
    updateResolution(): void {
      if (this.#unsubscribe !== undefined) return;
      this.#generation += 1;
      const generation = this.#generation;
      this.#unsubscribe = this.#service.subscribe(() => {});
      // Never synchronously: grpc-js is not ready for an answer inside the question.
      setImmediate(() => {
        if (this.#generation === generation && this.#unsubscribe !== undefined) this.#answer();
      });
    }

    destroy(): void {
      this.#unsubscribe?.();
      this.#unsubscribe = undefined;
    }

    #answer(): void {
      this.#listener(
        { ok: true, value: [] },
        { [CONFIG_SELECTOR_KEY]: this.#selector, [LINK_ATTRIBUTE]: this.#link },
        { ok: true, value: serviceConfig },
        '',
      );
    }
  };
}

function createLink({ service, balancer }: Service, isForCopies: boolean): ChannelLink {
  const toJSON = (): string => `link to ${service}`;
  return { context: balancer, isForCopies, isReady: false, waitingReason: undefined, toJSON };
}

function retryRules(context: BalancerContext, options: ChannelOptions): RetryRules {
  return {
    isRetryDisabled: options['grpc.enable_retries'] === 0,
    retryBufferBytes: options['grpc.per_rpc_retry_buffer_size'] ?? RETRY_BUFFER_BYTES,
    clock: context.clock,
    budget: context.retryBudget,
    shedBeside: (endpoint) => context.shedBeside(endpoint),
  };
}

/**
 * One selector for the life of a channel, delegating to whatever snapshot is current. A fresh one for each update would
 * make grpc-js reconnect every endpoint.
 */
class StableSelector implements ConfigSelector {
  readonly #service: Service;
  readonly #link: ChannelLink;
  readonly #retryRules: RetryRules;
  readonly #config: ChannelServiceConfig | undefined;

  constructor(service: Service, link: ChannelLink, retryRules: RetryRules, config: ChannelServiceConfig | undefined) {
    this.#service = service;
    this.#link = link;
    this.#retryRules = retryRules;
    this.#config = config;
  }

  invoke(method: string, metadata: Metadata): CallConfig {
    const config = this.#config?.methodConfigFor(method);
    if (config?.waitForReady !== undefined) applyWaitForReady(config.waitForReady, metadata);
    const call =
      (attachedToMetadata(metadata, CALL_STATE) as CallState | undefined) ?? new BareCall(method, this.#service);
    call.route(this.#retryRules, config);
    const { snapshot } = this.#service;
    if (snapshot !== undefined) {
      this.#service.decide(call, snapshot, metadata);
      call.decided(false);
    }
    return createCallConfig(call, filtersOf(call, this.#link));
  }

  unref(): void {}

  toJSON(): string {
    return `selector of ${this.#service.service}`;
  }
}

/** grpc-js reads this in the call's metadata alone. What the caller said there comes first. */
function applyWaitForReady(waitForReady: boolean, metadata: Metadata): void {
  const options = metadata.getOptions();
  if (options.waitForReady === undefined) metadata.setOptions({ ...options, waitForReady });
}

const NO_FILTERS: FilterFactory[] = [];
const NO_NAMES: CallConfig['methodConfig']['name'] = [];

/** None for most calls. One that is not decided yet may turn out to need any of them. */
function filtersOf(call: CallState, link: ChannelLink): FilterFactory[] {
  const { decision } = call;
  const isAnswerChanged = decision === undefined || decision.responseHeaders !== undefined;
  const isFaulted = decision === undefined || call.faulted !== undefined;
  if (link.isReady && !isAnswerChanged && !isFaulted) return NO_FILTERS;
  return [
    ...(link.isReady ? [] : [reasonFilter(call, link)]),
    ...(isAnswerChanged ? [responseFilter(call)] : []),
    ...(isFaulted ? [faultFilter(call, link.context.faults)] : []),
  ];
}

/**
 * Turns a call (decided or not) into grpc-js' config for it. It always has a retry policy unless it is hedged: what no
 * application can have seen is tried elsewhere more often than the once that grpc-js does by itself (gRFC A6).
 */
function createCallConfig(call: CallState, filters: FilterFactory[]): CallConfig {
  const { hedging } = call;
  const timeoutMs = call.decision?.timeoutMs ?? call.channelConfig?.timeoutMs;
  const methodConfig: CallConfig['methodConfig'] = { name: NO_NAMES };
  if (timeoutMs !== undefined) methodConfig.timeout = duration(timeoutMs);
  if (hedging !== undefined) methodConfig.hedgingPolicy = hedgingPolicy(hedging);
  else methodConfig.retryPolicy = call;
  return {
    methodConfig,
    pickInformation: call as unknown as CallConfig['pickInformation'],
    status: 0,
    dynamicFilterFactories: filters,
  };
}

function hedgingPolicy(hedging: HedgingPlan): NonNullable<CallConfig['methodConfig']['hedgingPolicy']> {
  return {
    maxAttempts: hedging.maxAttempts,
    hedgingDelay: seconds(hedging.delayMs),
    nonFatalStatusCodes: [...hedging.nonFatalStatusCodes],
  };
}

function duration(milliseconds: number): { seconds: number; nanos: number } {
  const whole = Math.floor(milliseconds / 1000);
  return { seconds: whole, nanos: Math.round((milliseconds - whole * 1000) * 1_000_000) };
}

const DEADLINE_EXCEEDED = 4;

/**
 * Writes into the final status of a call that ran out of time before any attempt why it had to wait. Only given to
 * calls that begin while the channel is not ready.
 */
function reasonFilter(call: CallState, link: ChannelLink): FilterFactory {
  const filter: Filter = {
    sendMetadata: (metadata) => metadata,
    receiveMetadata: (metadata) => metadata,
    sendMessage: (message) => message,
    receiveMessage: (message) => message,
    receiveTrailers: (status) => explain(status, call, link),
  };
  return { createFilter: () => filter };
}

function explain(status: StatusObject, call: CallState, link: ChannelLink): StatusObject {
  if (status.code !== DEADLINE_EXCEEDED || call.tried !== undefined) return status;
  const reason = call.decision === undefined ? link.context.state.pendingReason() : link.waitingReason?.();
  return reason === undefined ? status : { ...status, details: `${status.details}; ${reason}` };
}
