import type { Clock } from '../../base/clock';
import type { Logger } from '../../base/logger';
import { tellListenerFault } from '../../base/logger';
import type { Random } from '../../base/random';
import type { Snapshot } from '../../policy/membership/snapshot';
import type { Decision } from '../../policy/plan';
import { type AttemptFacts, isUnusableAnswer, type Outcome } from '../breaker/outcome';
import { BreakerRegistry } from '../breaker/registry';
import { RetryBudget, type RetryBudgetRules } from '../breaker/retry-budget';
import { StallDetector } from '../breaker/stall';
import type { AnswerJudge, AttemptView, CallState } from '../grpc/call-state';
import type { Metadata, SubchannelCall, SubchannelCallListener } from '../grpc/grpc-js';
import type { ServiceTelemetry } from '../telemetry/service-telemetry';
import type { Endpoint } from './endpoints/endpoint';
import { EndpointRegistry } from './endpoints/endpoint-registry';
import { shedBeside } from './endpoints/share';
import { Faults } from './faults/faults';
import { SubsetLimits } from './limits/subset-limits';
import type { Spill } from './tiers/spill';
import type { ZonePreference } from './zones/zone-preference';

/** Counts attempts by subset, to compare one subset with another in this client. */
export interface AttemptListener {
  /**
   * An attempt that started has ended. `wanted` is the subset that its call was decided for, `served` the one it went
   * to, in `datacenter` and in the step `tier` of its failover order. `latencyMs` is the time to the first response, or
   * to the end where none came. Called synchronously; must neither throw nor allocate much.
   */
  attemptEnded(
    wanted: string,
    served: string,
    outcome: Outcome,
    latencyMs: number,
    datacenter: string,
    tier: number,
  ): void;
  /** The answer of a copy to `subset` was compared with that of its call. As above. */
  answersCompared?(subset: string, isDiffering: boolean): void;
}

/** What the balancer asks its service. */
export interface BalancedService {
  /** What is known now; undefined: nothing yet. */
  readonly snapshot: Snapshot | undefined;
  /** How long calls may wait for a connection. */
  readonly connectDeadlineMs: number;
  /**
   * The zone that this client runs in; undefined: not known. When it becomes known, `endpoints.changed()` is called.
   */
  readonly zone: string | undefined;
  /** Keeps the watches of the service open. The listener is called with each later snapshot, synchronously. */
  subscribe(listener: (snapshot: Snapshot | undefined) => void): () => void;
  /** Decides a call, and writes the decision into it. */
  decide(call: CallState, snapshot: Snapshot, metadata: Metadata): Decision;
  /** Why nothing is known yet, for a final status. */
  pendingReason(): string;
  /**
   * Since when and why what is known is old, for the status of a call that no endpoint can serve; undefined: it is
   * fresh.
   */
  staleness(): string | undefined;
}

/** Stands in for an attempt's transport where it returns one: faults that a test asks for. Must not throw. */
export type InterceptAttempt = (attempt: AttemptView, listener: SubchannelCallListener) => SubchannelCall | undefined;

export interface BalancerContextOptions {
  readonly service: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Stable for the process; spreads deterministic subsetting over clients. */
  readonly clientId: string;
  /**
   * Which key of an instance's meta holds the name that it is asked for under. Undefined: meta is not believed in that.
   */
  readonly authorityMetaKey: string | undefined;
  readonly retryBudget: RetryBudgetRules;
  /** Undefined where nothing is observed, as in tests. */
  readonly telemetry: ServiceTelemetry | undefined;
  readonly intercept: InterceptAttempt | undefined;
}

/**
 * What the balancers of one service have in common: its endpoints with their statistics, breakers, limits and the retry
 * budget. Made by the service, shared by its channels. It outlives the balancers, which grpc-js destroys when a channel
 * goes idle.
 */
export class BalancerContext implements AnswerJudge {
  readonly state: BalancedService;
  readonly service: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly clientId: string;
  readonly authorityMetaKey: string | undefined;
  readonly telemetry: ServiceTelemetry | undefined;
  readonly intercept: InterceptAttempt | undefined;
  readonly stall: StallDetector = new StallDetector();
  readonly breakers: BreakerRegistry;
  readonly endpoints: EndpointRegistry;
  /** How many attempts this client may have in flight at each subset. */
  readonly limits: SubsetLimits;
  readonly retryBudget: RetryBudget;
  /** What hits attempts on purpose. */
  readonly faults: Faults;
  /** Empty most of the time, which costs one comparison an attempt. */
  readonly attemptListeners: Set<AttemptListener> = new Set();
  /** Those in force, by subset, for `inspect()` and `explain()`: written by the balancers. */
  readonly zonePreferences: Map<string, { readonly preference: ZonePreference; readonly datacenter: string }> =
    new Map();
  /** How much of its calls each tier in use keeps, by `spillName`, for `explain()`: written by the balancers. */
  readonly spills: Map<string, Spill> = new Map();
  readonly #logger: Logger;
  readonly #pingsRefusedBy = new WeakSet<Endpoint>();
  /** Names of a fixed few. */
  readonly #headersDropped = new Set<string>();

  constructor(state: BalancedService, options: BalancerContextOptions) {
    const { service, clock, random, logger } = options;
    this.state = state;
    this.service = service;
    this.clock = clock;
    this.random = random;
    this.clientId = options.clientId;
    this.authorityMetaKey = options.authorityMetaKey;
    this.telemetry = options.telemetry;
    this.intercept = options.intercept;
    this.#logger = logger;
    this.breakers = new BreakerRegistry({
      clock,
      random,
      service,
      onListenerError: (error) => tellListenerFault(error, 'breakers', logger),
    });
    this.faults = new Faults({ service, clock, random, logger, counts: options.telemetry?.counts });
    this.endpoints = new EndpointRegistry(clock, this.breakers, this.stall);
    this.limits = new SubsetLimits(clock, () => this.endpoints.changed());
    this.retryBudget = new RetryBudget(options.retryBudget);
  }

  /** Which part of the attempts at all other endpoints was turned away lately, in [0, 1]. */
  shedBeside({ load }: Endpoint): number {
    return shedBeside(load.share, this.endpoints.total);
  }

  /** An attempt that began has ended. Called only where there are listeners. */
  attemptEnded(attempt: AttemptView & Pick<AttemptFacts, 'latencyMs'>, outcome: Outcome): void {
    const { call, endpoint, subset, tier, latencyMs } = attempt;
    const wanted = call.decision?.destination.subset ?? subset;
    for (const each of this.attemptListeners) {
      each.attemptEnded(wanted, subset, outcome, latencyMs, endpoint.datacenter, tier);
    }
  }

  /** The answer of a copy to `subset` was compared with that of its call. */
  answersCompared(subset: string, isDiffering: boolean): void {
    for (const each of this.attemptListeners) each.answersCompared?.(subset, isDiffering);
  }

  /** A call ended badly after an attempt that was settled as a success: perhaps its answer cannot be used. */
  endedAfterAnswer(call: CallState, details: string): void {
    const { answeredAt: endpoint, answeredIn: pool } = call;
    call.answerJudge = undefined;
    if (endpoint === undefined || pool === undefined || !isUnusableAnswer(details)) return;
    const nowMs = this.clock.now();
    if (pool.breakerPlan.enabled) this.endpoints.failed(endpoint, pool.breakerPlan);
    endpoint.shares.recordUnusable(nowMs);
    endpoint.breaker?.recordUnusable(nowMs, 0, details);
    pool.subsetBreaker?.recordUnusable(nowMs, 0, details);
  }

  /** Draws one hedge from the retry budget. */
  mayHedge(): boolean {
    return this.retryBudget.tryRetry(this.clock.now());
  }

  /** A retry that was drawn from the budget reached no endpoint. */
  retryUnused(): void {
    this.retryBudget.giveBack(this.clock.now());
  }

  /**
   * The server at the endpoint ended a connection since keepalive pings came too often. Called for each call that ended
   * with it. Warns once for each endpoint: grpc-js warns too, without the instance and the cure.
   */
  pingsRefused(endpoint: Endpoint): void {
    if (this.#pingsRefusedBy.has(endpoint)) return;
    this.#pingsRefusedBy.add(endpoint);
    this.#logger.warn(
      'the server ended a connection with ENHANCE_YOUR_CALM: it allows fewer keepalive pings than grpc.keepalive_time_ms asks ' +
        'for, and calls on it ended RESOURCE_EXHAUSTED. Set grpc.keepalive_time_ms to 300000 or more, leave it out, or let the ' +
        'server allow more (grpc-go: keepalive.EnforcementPolicy MinTime). grpc-js doubles the interval each time',
      { service: this.service, endpoint: endpoint.key, instance: endpoint.instance.id },
    );
  }

  /** A call was to send a header of this name, which cannot be sent, and is sent without it. */
  headerDropped(name: string): void {
    if (this.#headersDropped.has(name)) return;
    this.#headersDropped.add(name);
    this.#logger.warn('a header that HTTP/2 does not let a call send is left out, or all but its last value', {
      service: this.service,
      header: name,
    });
  }

  close(): void {
    this.limits.close();
    this.endpoints.close();
    this.breakers.close();
  }
}

/** How a channel's resolver, selector and balancer find each other. Travels as a resolver attribute. */
export interface ChannelLink {
  readonly context: BalancerContext;
  /** The channel carries copies of calls, and nothing else. */
  readonly isForCopies: boolean;
  /** Set by the balancer: false means that calls may have to wait, so the selector adds a reason to their status. */
  isReady: boolean;
  /** Set by the balancer: what stands in the way of a call that waits. */
  waitingReason: (() => string) | undefined;
  /** grpc-js may print channel options when tracing is on. */
  toJSON(): string;
}
