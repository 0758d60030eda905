import { EndpointRegistry } from '../balancer/endpoint-registry';
import type { BalancerHost } from '../balancer/host';
import { createEndpointLoad } from '../balancer/load';
import type { RoutedCall } from '../balancer/routed-call';
import { type BreakerRegistry, createBreakerRegistry } from '../breaker/registry';
import { createRetryBudget, type RetryBudget } from '../breaker/retry-budget';
import { createStallDetector, type StallDetector } from '../breaker/stall';
import type { Source, SourceState, SourceWatch } from '../discovery/source';
import type { Clock } from '../internal/clock';
import { attachedToMetadata, type Metadata } from '../internal/grpc';
import type { Logger } from '../internal/logger';
import type { Random } from '../internal/random';
import type { BreakerPlan, Decision, Plan } from '../policy/plan';
import type { PolicySource, PolicyWatch } from '../policy/source';
import { decide } from '../routing/decide';
import { createCallLabels } from '../routing/labels';
import { membershipOf } from '../snapshot/membership';
import type { InstanceSet, Snapshot } from '../snapshot/snapshot';
import { CALL_CONTEXT, type CallContext } from './call-context';
import type { LaneCall } from './lane-call';
import { reportPolicyChange } from './policy-report';
import { nextPolicyState, type PolicyRules, type PolicyState, UNREAD } from './policy-state';
import { describeUnknown, isInstanceSetKnown, sameInstances, withRemembered } from './readiness';
import { RetryGate } from './retry-gate';
import type { Target } from './target';

export interface ServiceOptions {
  readonly target: Target;
  readonly source: Source;
  /** Undefined: this service is used without a policy, as the target or the lane says. */
  readonly policies: PolicySource | undefined;
  readonly rules: PolicyRules;
  readonly datacenters: readonly string[] | undefined;
  readonly staticLabels: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly clientId: string;
  readonly connectDeadlineMs: number;
  /** Sees every decision. Must not throw. */
  readonly onDecision: ((decision: Decision, call: LaneCall) => void) | undefined;
}

/** `undefined`: nothing is known yet. Called synchronously with the change; must not throw. */
export type SnapshotListener = (snapshot: Snapshot | undefined) => void;

/**
 * One service of one lane, shared by its channels: watches instances and policy while anybody is subscribed, joins them
 * into snapshots, and decides calls. Its statistics and what it knew last outlive the subscriptions, since grpc-js lets go
 * of everything when a channel has been idle for a while.
 */
export class Service implements BalancerHost {
  readonly service: string;
  readonly target: Target;
  readonly clock: Clock;
  readonly random: Random;
  readonly clientId: string;
  readonly connectDeadlineMs: number;
  readonly endpoints: EndpointRegistry;
  readonly breakers: BreakerRegistry;
  readonly stall: StallDetector = createStallDetector();
  /** Whether a failed call is tried again. */
  readonly retries: RetryGate;
  readonly #budget: RetryBudget;
  readonly #options: ServiceOptions;
  readonly #onRepeatedLabel = (): void => {
    this.#repeatedLabels += 1;
  };
  readonly #subscribers = new Set<SnapshotListener>();
  #sourceWatch: SourceWatch | undefined;
  #policyWatch: PolicyWatch | undefined;
  #sourceState: SourceState | undefined;
  #policy: PolicyState = UNREAD;
  #snapshot: Snapshot | undefined;
  /** From before the last time nobody was subscribed. */
  #remembered: { readonly instances: InstanceSet; readonly policy: PolicyState } | undefined;
  #instances: InstanceSet | undefined;
  #filters: readonly string[] = [];
  #repeatedLabels = 0;
  #versions = 0;
  #isClosed = false;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.service = options.target.service;
    this.target = options.target;
    this.clock = options.clock;
    this.random = options.random;
    this.clientId = options.clientId;
    this.connectDeadlineMs = options.connectDeadlineMs;
    const { clock, random, logger } = options;
    this.breakers = createBreakerRegistry({
      clock,
      random,
      service: this.service,
      onListenerError: (error) => logger.error('a breaker listener threw', { error: String(error) }),
    });
    this.endpoints = new EndpointRegistry({
      clock,
      createLoad: createEndpointLoad,
      breakers: this.breakers,
      stall: this.stall,
    });
    this.#budget = createRetryBudget(options.rules.withoutPolicy.retryBudget);
    this.retries = new RetryGate(this.#budget, clock);
  }

  /** The lane is closed: nothing will become known any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  get sourceState(): SourceState | undefined {
    return this.#sourceState;
  }

  /** Labels that calls carried twice, and that counted as absent. */
  get repeatedLabels(): number {
    return this.#repeatedLabels;
  }

  get policyState(): PolicyState {
    return this.#policy;
  }

  /** Starts the watches with the first subscriber and stops them after the last. The listener hears of changes only. */
  subscribe(listener: SnapshotListener): () => void {
    this.#subscribers.add(listener);
    if (this.#sourceWatch === undefined) this.#open();
    return () => {
      if (this.#subscribers.delete(listener) && this.#subscribers.size === 0) this.#suspend();
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#subscribers.clear();
    this.#suspend();
    this.endpoints.close();
    this.breakers.close();
  }

  get budget(): { readonly calls: number; readonly retries: number } {
    return { calls: this.#budget.calls, retries: this.#budget.retries };
  }

  /** A call begins: the retry budget is a share of these. */
  callStarted(): void {
    this.#budget.callStarted(this.clock.now());
  }

  /** A call that was handed to grpc-js before anything was known is decided at its first pick. */
  decideLate(call: RoutedCall, snapshot: Snapshot, metadata: Metadata): Decision {
    const laneCall = call as RoutedCall & LaneCall;
    const decision = this.decide(laneCall, snapshot, metadata);
    laneCall.context?.decided(decision, true);
    return decision;
  }

  decide(call: LaneCall, snapshot: Snapshot, metadata: Metadata): Decision {
    const { staticLabels, onDecision } = this.#options;
    const context = attachedToMetadata(metadata, CALL_CONTEXT) as CallContext | undefined;
    const input = {
      method: call.method,
      labels: createCallLabels(metadata, undefined, staticLabels, this.#onRepeatedLabel),
      force: context?.force,
      stickyKey: context?.stickyKey,
    };
    const decision = decide(snapshot.plan, input, call, this);
    call.decision = decision;
    onDecision?.(decision, call);
    return decision;
  }

  pendingReason(): string {
    const parts: string[] = [];
    if (this.#sourceState === undefined || !isInstanceSetKnown(this.#sourceState)) {
      const from = this.target.scheme === 'consul' ? 'Consul' : 'the instances given';
      parts.push(describeUnknown(this.service, from, this.#sourceState));
    }
    const { plan, failure, rejected } = this.#policy;
    if (plan === undefined) {
      const [problem] = rejected?.problems ?? [];
      const why = problem === undefined ? (failure ?? 'no answer yet') : `refused: ${problem.message}`;
      parts.push(`${this.service}: policy not known (${why})`);
    }
    if (parts.length === 0) parts.push(`${this.service}: waiting for Consul to evaluate the policy's subset filters`);
    return parts.join('; ');
  }

  #open(): void {
    const { source, policies, target, datacenters } = this.#options;
    const wanted = target.datacenters ?? datacenters;
    this.#sourceWatch = source.watch(
      { service: this.service, tags: target.tags, ...(wanted === undefined ? {} : { datacenters: wanted }) },
      (state) => {
        this.#sourceState = withRemembered(state, this.#remembered?.instances);
        this.#join();
      },
    );
    if (policies === undefined) {
      this.#policy = { ...UNREAD, plan: this.#options.rules.withoutPolicy };
      return;
    }
    this.#policyWatch = policies.watch(this.service, (reading) => {
      const former = this.#policy;
      // What was in force before an idle spell is still the last good policy when it can't be read again.
      const known = former.plan === undefined && reading.kind !== 'present' ? this.#remembered?.policy : undefined;
      this.#policy = nextPolicyState(known ?? former, reading, this.#options.rules);
      reportPolicyChange(this.#options.logger, this.service, former, this.#policy);
      this.#join();
    });
  }

  #suspend(): void {
    this.#sourceWatch?.close();
    this.#policyWatch?.close();
    this.#sourceWatch = undefined;
    this.#policyWatch = undefined;
    if (this.#snapshot !== undefined) {
      this.#remembered = { instances: this.#snapshot.instances, policy: this.#policy };
    }
    this.#sourceState = undefined;
    this.#filters = [];
    this.#policy = UNREAD;
    this.#snapshot = undefined;
  }

  #join(): void {
    const state = this.#sourceState;
    const { plan } = this.#policy;
    if (plan === undefined || state === undefined || !isInstanceSetKnown(state)) return;
    if (!this.#areFiltersAnswered(plan, state)) return;
    const instances = sameInstances(this.#instances, state) ? this.#instances : undefined;
    if (instances !== undefined && this.#snapshot?.instances === instances && this.#snapshot.plan === plan) {
      if (this.#snapshot.refusal === this.#refusal()) return;
    }
    this.#versions += 1;
    this.#instances = instances ?? { version: this.#versions, datacenters: state.datacenters };
    this.endpoints.sync(
      state.datacenters.flatMap((each) => each.instances),
      plan.balancing.slowStartMs,
    );
    this.#configure(plan);
    this.#snapshot = {
      version: this.#versions,
      service: this.service,
      plan,
      instances: this.#instances,
      refusal: this.#refusal(),
    };
    for (const listener of [...this.#subscribers]) listener(this.#snapshot);
  }

  /** Breakers and budget take the plan's numbers and keep what they have counted. */
  #configure(plan: Plan): void {
    if (this.#snapshot?.plan === plan) return;
    this.#budget.configure(plan.retryBudget);
    const endpoints = new Map(this.endpoints.present().map(({ key, instance }) => [key, instance]));
    const groups = this.#instances === undefined ? [] : membershipOf(plan, this.#instances).groups;
    const breakerOf = (key: string): BreakerPlan | undefined => {
      const instance = endpoints.get(key);
      if (instance === undefined) return undefined;
      const group = groups.find(({ usable, unusable }) => usable.includes(instance) || unusable.includes(instance));
      return group === undefined ? undefined : plan.subsets.get(group.subset)?.breaker;
    };
    this.breakers.configure({ endpoint: breakerOf, subsets: plan.subsets });
  }

  /** A plan with subset filters comes into force when Consul has answered them; until then the former plan stays. */
  #areFiltersAnswered(plan: Plan, state: SourceState): boolean {
    const wanted = filtersOf(plan);
    const inForce = this.#snapshot === undefined ? [] : filtersOf(this.#snapshot.plan);
    this.#wantFilters([...new Set([...wanted, ...inForce])]);
    return state.datacenters.every((each) => !each.known || wanted.every((filter) => each.filters.has(filter)));
  }

  #wantFilters(filters: readonly string[]): void {
    if (filters.length === this.#filters.length && filters.every((filter) => this.#filters.includes(filter))) return;
    this.#filters = filters;
    this.#sourceWatch?.setFilters(filters);
  }

  #refusal(): string | undefined {
    return this.#policy.isMissing
      ? `${this.service}: no policy was found, and this lane requires one (requirePolicy)`
      : undefined;
  }
}

function filtersOf(plan: Plan): readonly string[] {
  return [...plan.subsets.values()].flatMap((subset) => (subset.filter === undefined ? [] : [subset.filter]));
}
