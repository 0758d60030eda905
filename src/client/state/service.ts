import type { Clock } from '../../base/clock';
import type { SourceState } from '../../base/instances';
import type { Logger } from '../../base/logger';
import type { Random } from '../../base/random';
import { dialledInstances } from '../../policy/membership/membership';
import type { Snapshot } from '../../policy/membership/snapshot';
import type { Decision, Plan } from '../../policy/plan';
import type { RoutingInput, RoutingOutcome } from '../../policy/routing/call';
import { decide } from '../../policy/routing/decide';
import { type BalancedService, BalancerContext, type InterceptAttempt } from '../balancer/context';
import type { EndpointRegistry } from '../balancer/endpoints/endpoint-registry';
import type { SubsetLimits } from '../balancer/limits/subset-limits';
import type { BreakerRegistry } from '../breaker/registry';
import type { AttemptObserver, CallState } from '../grpc/call-state';
import type { DecisionEvents } from '../grpc/decision-events';
import type { Metadata } from '../grpc/grpc-js';
import type { Target } from '../grpc/target';
import type { ServiceTelemetry } from '../telemetry/service-telemetry';
import type { ClientZone, ClientZoneView } from './client-zone';
import type { ClientMode, PolicyState } from './policy-state';
import { describeStaleness } from './readiness';
import { endpointRules, Guarding } from './service-breakers';
import { ServiceState, type ServiceStateOptions } from './service-state';

export interface ServiceOptions extends ServiceStateOptions {
  readonly staticLabels: Readonly<Record<string, string>>;
  readonly random: Random;
  readonly clientId: string;
  readonly connectDeadlineMs: number;
  readonly authorityMetaKey: string | undefined;
  readonly zone: ClientZone;
  /** Undefined where nothing is observed, as in tests. */
  readonly telemetry: ServiceTelemetry | undefined;
  /** Sees every decision, in observe mode the one that is only watched. Must not throw. */
  readonly decisions: DecisionEvents | undefined;
  readonly intercept?: InterceptAttempt | undefined;
  /** Called with each snapshot. Must not throw. */
  readonly onSnapshot?: ((snapshot: Snapshot) => void) | undefined;
  /** The service is in use from now on: it has a subscriber. Returns what ends the use. Must not throw. */
  readonly onUse?: ((service: Service) => () => void) | undefined;
}

const UNTOLD: RoutingOutcome = { sticky: false, bucket: -1, hash: -1 };

/** `undefined`: nothing is known yet. Called synchronously with the change; must not throw. */
export type SnapshotListener = (snapshot: Snapshot | undefined) => void;

/**
 * One service of one client, shared by its channels: watches instances and policy while it has subscribers, joins them
 * into snapshots, and decides calls. Its statistics and what it knew last outlive the subscriptions, since grpc-js lets
 * go of everything when a channel has been idle for a while.
 */
export class Service implements BalancedService {
  readonly service: string;
  readonly target: Target;
  readonly clock: Clock;
  readonly random: Random;
  /** What the balancers of its channels have in common. */
  readonly balancer: BalancerContext;
  readonly endpoints: EndpointRegistry;
  readonly breakers: BreakerRegistry;
  /** What this client may have in flight at each subset. */
  readonly limits: SubsetLimits;
  /** Compare subsets by what this Graylane client sees of them, and shed the worse. */
  readonly guards: Guarding;
  /** What is known now; undefined: nothing yet. */
  snapshot: Snapshot | undefined = undefined;
  readonly telemetry: ServiceTelemetry | undefined;
  readonly logger: Logger;
  readonly #options: ServiceOptions;
  readonly #onRepeatedLabel = (): void => {
    // Listeners of a decision read its labels once more.
    if (!this.#isTelling) this.#repeatedLabels += 1;
  };
  readonly #subscribers = new Set<SnapshotListener>();
  readonly #zone: ClientZone;
  readonly #unsubscribeZone: () => void;
  readonly #state: ServiceState;
  /** Whose numbers are in force. */
  #plan: Plan | undefined;
  #repeatedLabels = 0;
  #isTelling = false;
  #isClosed = false;
  #endUse: (() => void) | undefined;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.service = options.target.service;
    this.target = options.target;
    this.clock = options.clock;
    this.random = options.random;
    this.telemetry = options.telemetry;
    const { clock, random, logger } = options;
    this.logger = logger;
    this.balancer = new BalancerContext(this, {
      service: this.service,
      clock,
      random,
      logger,
      clientId: options.clientId,
      authorityMetaKey: options.authorityMetaKey,
      retryBudget: options.rules.withoutPolicy.retryBudget,
      telemetry: options.telemetry,
      intercept: options.intercept,
    });
    this.breakers = this.balancer.breakers;
    this.endpoints = this.balancer.endpoints;
    this.limits = this.balancer.limits;
    this.guards = new Guarding({
      service: this.service,
      clock,
      random,
      breakers: this.breakers,
      attemptListeners: this.balancer.attemptListeners,
      attemptNow: () => this.endpoints.nowMs,
      logger,
    });
    this.breakers.subscribe(({ event, level, key, from }) => {
      if (event === 'open' && from === 'closed') this.telemetry?.counts.opened(level, key);
    });
    this.#zone = options.zone;
    this.#unsubscribeZone = this.#zone.subscribe(() => this.#zoneFound());
    if (this.telemetry !== undefined) this.telemetry.zone = this.#zone.zone;
    this.#state = new ServiceState(
      { ...options, onPolicyState: (former, next) => this.#countPolicy(former, next) },
      (snapshot) => this.#takeOver(snapshot),
    );
  }

  /** The Graylane client is closed: nothing will become known any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get mode(): ClientMode {
    return this.#options.rules.isObserving ? 'observe' : 'route';
  }

  get zone(): string | undefined {
    return this.#zone.zone;
  }

  /** In which zone this client is, or why that is not known. */
  get clientZone(): ClientZoneView {
    return this.#zone.view;
  }

  get sourceState(): SourceState | undefined {
    return this.#state.sourceState;
  }

  /** The Graylane client's, unless the plan has a shorter one. */
  get connectDeadlineMs(): number {
    return Math.min(this.#options.connectDeadlineMs, this.#plan?.connectTimeoutMs ?? Number.POSITIVE_INFINITY);
  }

  /** Labels that calls carried twice, and that counted as absent. */
  get repeatedLabels(): number {
    return this.#repeatedLabels;
  }

  get policyState(): PolicyState {
    return this.#state.policyState;
  }

  /** When the present watches began, in monotonic milliseconds. */
  watchedSinceMs: number | undefined;

  /**
   * Starts the watches with the first subscriber and stops them after the last. The listener is called with changes
   * only.
   */
  subscribe(listener: SnapshotListener): () => void {
    this.#subscribers.add(listener);
    if (!this.#state.isOpen) {
      this.watchedSinceMs = this.clock.now();
      this.#policyFailingSinceMs = undefined;
      this.#state.open();
      this.snapshot = this.#state.snapshot;
      this.#endUse = this.#options.onUse?.(this);
    }
    return () => {
      if (!this.#subscribers.delete(listener) || this.#subscribers.size > 0) return;
      this.#state.close();
      this.snapshot = this.#state.snapshot;
      this.#endUse?.();
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#subscribers.clear();
    this.#state.close();
    this.snapshot = this.#state.snapshot;
    this.#endUse?.();
    this.#unsubscribeZone();
    this.guards.close();
    this.balancer.close();
  }

  /** Observes the attempts of calls that came through no channel of the Graylane client. */
  get bareObserver(): AttemptObserver | undefined {
    return this.telemetry?.isMeasuring === true ? this.telemetry : undefined;
  }

  decide(call: CallState, snapshot: Snapshot, metadata: Metadata): Decision {
    if (this.telemetry?.decisions.isDue() !== true) return this.#decide(call, snapshot, metadata);
    const beganAtMs = this.clock.now();
    const decision = this.#decide(call, snapshot, metadata);
    this.telemetry.decisions.took(this.clock.now() - beganAtMs);
    return decision;
  }

  #decide(call: CallState, snapshot: Snapshot, metadata: Metadata): Decision {
    const { staticLabels } = this.#options;
    call.readLabelsFrom(metadata, staticLabels, this.#onRepeatedLabel);
    const decision = decide(snapshot.observed ?? snapshot.plan, call, call, this);
    call.decision = snapshot.observed === undefined ? decision : this.#decidePlainly(snapshot, call);
    const onDecision = this.#options.decisions?.onDecision;
    if (onDecision !== undefined) {
      this.#isTelling = true;
      onDecision(decision, call);
      this.#isTelling = false;
    }
    return call.decision;
  }

  /** As without a policy. What the caller forces holds, but for a subset: no other call is kept out of it either. */
  #decidePlainly(snapshot: Snapshot, { method, labels, force: forced, stickyKey }: RoutingInput): Decision {
    const { subset: _, ...force } = forced ?? {};
    const plain = { method, labels, force: forced === undefined ? undefined : force, stickyKey };
    return decide(snapshot.plan, plain, { ...UNTOLD }, this);
  }

  pendingReason(): string {
    return this.#state.pendingReason();
  }

  staleness(): string | undefined {
    return describeStaleness(this.#state.sourceState, this.clock.now());
  }

  /** Consul index of the last policy that was refused. */
  rejectedIndex: string | undefined;

  /** Seconds since the policy could last be read; since the watch began where it never was; 0 while it can be read. */
  get policyStaleForS(): number {
    const { plan, failure } = this.policyState;
    const sinceMs = this.#policyFailingSinceMs ?? (plan === undefined ? this.watchedSinceMs : undefined);
    const isStale = this.#state.isOpen && (plan === undefined || failure !== undefined);
    return isStale && sinceMs !== undefined ? Math.max(0, this.clock.now() - sinceMs) / 1000 : 0;
  }

  #policyFailingSinceMs: number | undefined;

  #countPolicy(former: PolicyState, next: PolicyState): void {
    this.#policyFailingSinceMs =
      next.failure === undefined ? undefined : (this.#policyFailingSinceMs ?? this.clock.now());
    if (next.rejected !== undefined) this.rejectedIndex = next.rejected.index;
    if (this.telemetry === undefined) return;
    const { counts } = this.telemetry;
    if (next.plan !== undefined && next.plan !== former.plan && next.plan.origin !== 'none')
      counts.policiesApplied += 1;
    if (next.rejected !== undefined && next.rejected !== former.rejected) counts.policiesRejected += 1;
  }

  #zoneFound(): void {
    const { zone, reason } = this.#zone.view;
    if (this.telemetry !== undefined) this.telemetry.zone = zone;
    if (zone === undefined && this.#plan?.locality.zones === 'prefer') {
      this.logger.warn(
        'the policy prefers zones, and the zone of this client is not known: calls go to all zones alike',
        {
          service: this.service,
          reason,
        },
      );
    }
    this.endpoints.changed();
  }

  /**
   * Statistics, breakers and budget follow the snapshot and keep what they have counted; then every subscriber is told.
   */
  #takeOver(snapshot: Snapshot): void {
    const { plan, instances } = snapshot;
    this.snapshot = snapshot;
    this.endpoints.sync(dialledInstances(plan, instances), plan.balancing.slowStartMs);
    if (plan !== this.#plan) {
      this.#plan = plan;
      if (this.telemetry !== undefined) this.telemetry.revision = plan.revision;
      this.balancer.retryBudget.configure(plan.retryBudget);
      this.breakers.configure({ endpoint: endpointRules(plan, instances, this.endpoints), subsets: plan.subsets });
      this.guards.configure(plan.subsets);
      this.limits.configure(plan.subsets);
    }
    if (plan.locality.zones === 'prefer') this.#zone.want();
    this.#options.onSnapshot?.(snapshot);
    for (const listener of [...this.#subscribers]) listener(snapshot);
  }
}
