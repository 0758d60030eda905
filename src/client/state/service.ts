import type { Random } from '../../base/random';
import type { LaneTable } from '../../policy/lanes/lane-table';
import { dialledInstances, membershipOf } from '../../policy/membership/membership';
import { decidingPlan, type Snapshot } from '../../policy/membership/snapshot';
import type { Decision, Plan } from '../../policy/plan';
import type { RoutingInput, RoutingOutcome } from '../../policy/routing/call';
import { decide } from '../../policy/routing/decide';
import { type BalancedService, BalancerContext, type InterceptAttempt } from '../balancer/context';
import type { EndpointRegistry } from '../balancer/endpoints/endpoint-registry';
import type { SubsetLimits } from '../balancer/limits/subset-limits';
import { Guards } from '../breaker/guard/guards';
import type { BreakerRegistry } from '../breaker/registry';
import type { AttemptObserver, CallState } from '../grpc/call-state';
import type { DecisionEvents } from '../grpc/decision-events';
import type { Metadata } from '../grpc/grpc-js';
import type { Mirrors } from '../grpc/mirror/mirrors';
import type { ServiceTelemetry } from '../telemetry/service-telemetry';
import type { ClientZone, ClientZoneView } from './client-zone';
import type { ClientMode, PolicyState } from './policy-state';
import { describeStaleness } from './readiness';
import { breakerSubsets, endpointRules, logGuardChange } from './service-breakers';
import { ServiceState, type ServiceStateOptions } from './service-state';

export interface ServiceOptions extends ServiceStateOptions {
  readonly staticLabels: Readonly<Record<string, string>>;
  readonly random: Random;
  /** What decisions draw from: not what balancers do, so that the same calls are decided alike whatever these draw. */
  readonly decisionRandom: Random;
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
export class Service extends ServiceState implements BalancedService {
  /** Of decisions. */
  readonly random: Random;
  /** What the balancers of its channels have in common. */
  readonly balancer: BalancerContext;
  readonly endpoints: EndpointRegistry;
  readonly breakers: BreakerRegistry;
  /** What this client may have in flight at each subset. */
  readonly limits: SubsetLimits;
  /** Compare subsets by what this Graylane client sees of them, and shed the worse. */
  readonly guards: Guards;
  readonly telemetry: ServiceTelemetry | undefined;
  /** Copies of its calls; undefined until a call has a mirror. */
  mirrors: Mirrors | undefined = undefined;
  readonly #options: ServiceOptions;
  /** Undefined: none. */
  readonly #staticLabels: ServiceOptions['staticLabels'] | undefined;
  readonly #onRepeatedLabel = (): void => {
    // Listeners of a decision read its labels once more.
    if (!this.#isTelling) this.#repeatedLabels += 1;
  };
  readonly #subscribers = new Set<SnapshotListener>();
  readonly #zone: ClientZone;
  readonly #unsubscribeZone: () => void;
  /** Of the plan that decides; undefined for one without lanes. */
  lanes: LaneTable | undefined = undefined;
  /** Whose numbers are in force. */
  #plan: Plan | undefined;
  #repeatedLabels = 0;
  #isTelling = false;
  #isClosed = false;
  #endUse: (() => void) | undefined;

  constructor(options: ServiceOptions) {
    super(options);
    const { clock, random, logger } = options;
    this.#options = options;
    this.#staticLabels = Object.keys(options.staticLabels).length === 0 ? undefined : options.staticLabels;
    this.random = options.decisionRandom;
    this.telemetry = options.telemetry;
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
    this.guards = new Guards({
      clock,
      random,
      breakers: this.breakers,
      attemptNow: () => this.endpoints.nowMs,
      onChange: (change) => logGuardChange(logger, this.service, change),
    });
    this.breakers.subscribe(({ event, level, key, from }) => {
      if (event === 'open' && from === 'closed') this.telemetry?.counts.opened(level, key);
    });
    this.#zone = options.zone;
    this.#unsubscribeZone = this.#zone.subscribe(() => this.#zoneFound());
    if (this.telemetry !== undefined) this.telemetry.zone = this.#zone.zone;
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

  /** The Graylane client's, unless the plan has a shorter one. */
  get connectDeadlineMs(): number {
    return Math.min(this.#options.connectDeadlineMs, this.#plan?.connectTimeoutMs ?? Number.POSITIVE_INFINITY);
  }

  /** Labels that calls carried twice, and that counted as absent. */
  get repeatedLabels(): number {
    return this.#repeatedLabels;
  }

  /**
   * Starts the watches with the first subscriber and stops them after the last. The listener is called with changes
   * only.
   */
  subscribe(listener: SnapshotListener): () => void {
    this.#subscribers.add(listener);
    if (!this.isOpen) {
      this.#policyFailingSinceMs = undefined;
      this.open();
      this.#endUse = this.#options.onUse?.(this);
    }
    return () => {
      if (!this.#subscribers.delete(listener) || this.#subscribers.size > 0) return;
      this.shut();
      this.#endUse?.();
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#subscribers.clear();
    this.shut();
    this.#endUse?.();
    this.#unsubscribeZone();
    this.guards.close();
    this.#hearForGuards();
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
    call.readLabelsFrom(metadata, this.#staticLabels, this.#onRepeatedLabel);
    const decision = decide(snapshot.observed ?? snapshot.plan, call, call, this);
    call.decision = snapshot.observed === undefined ? decision : this.#decidePlainly(snapshot, call);
    if (call.faults !== undefined && snapshot.observed === undefined) this.balancer.faults.begin(call, call.faults);
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

  staleness(): string | undefined {
    return describeStaleness(this.sourceState, this.clock.now());
  }

  /** Consul index of the last policy that was refused. */
  rejectedIndex: string | undefined;

  /** What decides calls; before the first snapshot the last good policy that was read. Undefined: none is known. */
  get planInForce(): Plan | undefined {
    const { plan } = this.policyState;
    return plan === undefined || this.snapshot === undefined ? plan : decidingPlan(this.snapshot);
  }

  /** Seconds since the policy could last be read; since the watch began where it never was; 0 while it can be read. */
  get policyStaleForS(): number {
    const { plan, failure } = this.policyState;
    const sinceMs = this.#policyFailingSinceMs ?? (plan === undefined ? this.watchedSinceMs : undefined);
    const isStale = this.isOpen && (plan === undefined || failure !== undefined);
    return isStale && sinceMs !== undefined ? Math.max(0, this.clock.now() - sinceMs) / 1000 : 0;
  }

  #policyFailingSinceMs: number | undefined;

  protected override policyRead(former: PolicyState): void {
    const next = this.policyState;
    this.#policyFailingSinceMs =
      next.failure === undefined ? undefined : (this.#policyFailingSinceMs ?? this.clock.now());
    if (next.rejected !== undefined) this.rejectedIndex = next.rejected.index;
    if (this.telemetry === undefined) return;
    const { counts } = this.telemetry;
    if (next.plan !== undefined && next.plan !== former.plan && next.plan.origin !== 'none')
      counts.policiesApplied += 1;
    if (next.rejected !== undefined && next.rejected !== former.rejected) counts.policiesRejected += 1;
  }

  /** Guards hear of attempts only while there are any. */
  #hearForGuards(): void {
    if (this.guards.isEmpty) this.balancer.attemptListeners.delete(this.guards);
    else this.balancer.attemptListeners.add(this.guards);
  }

  #zoneFound(): void {
    const { zone, reason } = this.#zone.view;
    if (this.telemetry !== undefined) this.telemetry.zone = zone;
    if (zone === undefined && this.#plan?.locality.zones === 'prefer') {
      const message = 'the policy prefers zones, and the zone of this client is not known: calls go to all zones alike';
      this.logger.warn(message, { service: this.service, reason });
    }
    this.endpoints.changed();
  }

  /**
   * Statistics, breakers and budget follow the snapshot and keep what they have counted; then every subscriber is told.
   */
  protected override takeOver(snapshot: Snapshot): void {
    const { plan, instances } = snapshot;
    this.endpoints.sync(dialledInstances(plan, instances), plan.balancing.slowStartMs);
    const deciding = decidingPlan(snapshot);
    this.lanes = deciding.lanes === undefined ? undefined : membershipOf(deciding, instances).lanes;
    // Lanes come and go with their instances.
    const isOfLanes = plan.lanes !== undefined;
    if (plan !== this.#plan || isOfLanes) {
      const subsets = isOfLanes ? breakerSubsets(plan, instances) : plan.subsets;
      this.breakers.configure({ endpoint: endpointRules(plan, instances, this.endpoints), subsets });
    }
    if (plan !== this.#plan) {
      this.#plan = plan;
      if (this.telemetry !== undefined) this.telemetry.revision = plan.revision;
      this.balancer.retryBudget.configure(plan.retryBudget);
      this.guards.configure(plan.subsets);
      this.#hearForGuards();
      this.limits.configure(plan.subsets);
      this.balancer.faults.configure(plan);
    }
    if (plan.locality.zones === 'prefer') this.#zone.want();
    this.#options.onSnapshot?.(snapshot);
    for (const listener of [...this.#subscribers]) listener(snapshot);
  }
}
