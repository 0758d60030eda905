import type { Clock } from '../../base/clock';
import type { DatacenterState, SourceState } from '../../base/instances';
import type { Logger } from '../../base/logger';
import { shortfallsOf } from '../../policy/membership/shortfalls';
import { decidingPlan, type InstanceSet, type Snapshot } from '../../policy/membership/snapshot';
import type { Plan, PolicyProblem } from '../../policy/plan';
import type { Source, SourceWatch } from '../discovery/source';
import type { StateStore } from '../discovery/state-store';
import { formatTarget, type Target } from '../grpc/target';
import { describeUnknownElsewhere, isElsewhereKnown } from './elsewhere';
import { Backfill, type LastKnownGood } from './last-known-good';
import { areLookupsKnown, describeUnansweredLookups, LookupWatches, withPeers } from './lookup-watches';
import { OtherPolicyWatches, type OtherServices, type OtherStates } from './other-policies';
import type { PolicySource, PolicyWatch } from './policy-sources/source';
import {
  nextPolicyState,
  orLastKnownGood,
  type PolicyRules,
  type PolicyState,
  pendingPolicy,
  reportPolicyChange,
  UNREAD,
} from './policy-state';
import {
  describeUnknown,
  isFilterSettled,
  isInstanceSetKnown,
  sameInstances,
  withLastKnownGoodLookups,
} from './readiness';
import { fromStored, toStored } from './stored-state';
import type { ListWatch, ValueListStore } from './value-lists';

export interface ServiceStateOptions {
  readonly target: Target;
  readonly source: Source;
  /** Undefined: this service is used without a policy, as the target or the Graylane client says. */
  readonly policies: PolicySource | undefined;
  readonly rules: PolicyRules;
  /** Lists of values that plans name; undefined: there are none. */
  readonly lists?: ValueListStore;
  /** Undefined: plans lead to no other service. */
  readonly others?: OtherServices;
  readonly datacenters: readonly string[] | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where what is known survives the process; undefined: nowhere. */
  readonly store: StateStore | undefined;
  /** See `BackfillOptions`. Default 0. */
  readonly emptyGracePeriodMs?: number;
}

const RESTORE_LIMIT_MS = 1_000;
const NO_NAMES: readonly string[] = [];

/**
 * The state of one service: watches its instances and its policy between `open()` and `shut()`, joins the two into
 * immutable snapshots, and keeps the last known good for the next start, when the registry may be gone.
 */
export abstract class ServiceState {
  readonly service: string;
  readonly target: Target;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What is known now; undefined: nothing yet. */
  snapshot: Snapshot | undefined = undefined;
  sourceState: SourceState | undefined;
  policyState: PolicyState = UNREAD;
  /** The same without a candidate, which must not outlast its time: what is remembered. */
  #stored: PolicyState = UNREAD;
  /** When the present watches began, in monotonic milliseconds. */
  watchedSinceMs: number | undefined;
  readonly #options: ServiceStateOptions;
  readonly #backfill: Backfill;
  #sourceWatch: SourceWatch | undefined;
  #lookups: LookupWatches | undefined;
  #policyWatch: PolicyWatch | undefined;
  #others: OtherPolicyWatches | undefined;
  #lists: ListWatch | undefined;
  #lastKnownGood: LastKnownGood | undefined;
  /** As discovery delivered it, without what was remembered. */
  #delivered: SourceState | undefined;
  #instances: InstanceSet | undefined;
  #filters: readonly string[] = [];
  #shortfalls: readonly string[] = [];
  #versions = 0;
  /** What an earlier process knew has been read, or there is nothing to read. */
  #isRestored = true;

  constructor(options: ServiceStateOptions) {
    this.#options = options;
    this.target = options.target;
    this.service = options.target.service;
    this.clock = options.clock;
    this.logger = options.logger;
    this.#backfill = new Backfill({
      service: this.service,
      gracePeriodMs: options.emptyGracePeriodMs ?? 0,
      clock: options.clock,
      logger: options.logger,
      onOver: () => this.#rejoin(),
    });
  }

  /** Called with each new snapshot, never inside `open()`. */
  protected abstract takeOver(snapshot: Snapshot): void;

  /** Called with each reading of the policy, before what follows from it. */
  protected abstract policyRead(former: PolicyState): void;

  /** What is known of the policies of other services that the plan names. */
  get otherPolicies(): OtherStates {
    return this.#others?.states ?? new Map();
  }

  get isOpen(): boolean {
    return this.#sourceWatch !== undefined;
  }

  /** Starts the watches. */
  protected open(): void {
    const { service, target } = this;
    const { source, policies, rules } = this.#options;
    const wanted = target.datacenters ?? this.#options.datacenters;
    this.watchedSinceMs = this.clock.now();
    const own = { service, tags: target.tags, port: target.port, datacenters: wanted };
    this.#sourceWatch = source.watch(own, (state) => {
      this.#delivered = state;
      this.#rejoin();
    });
    this.#lookups = new LookupWatches(source, own, () => this.#join());
    const { others } = this.#options;
    if (others !== undefined) {
      const known = this.#lastKnownGood?.others;
      this.#others = new OtherPolicyWatches(others, this.logger, known, () => this.#join());
    }
    this.#lists = this.#options.lists?.watch(() => this.#join());
    this.#restore();
    if (policies === undefined) {
      this.policyState = { ...UNREAD, plan: rules.withoutPolicy };
      return;
    }
    this.#policyWatch = policies.watch(service, (reading) => {
      const former = this.policyState;
      // What was in force before an idle spell is still the last good policy when it can't be read again.
      const known = former.plan === undefined && reading.kind !== 'present' ? this.#lastKnownGood?.policy : undefined;
      const next = nextPolicyState(known ?? former, reading, rules);
      this.policyState = orLastKnownGood(next, this.#lastKnownGood?.policy.plan);
      if (this.policyState.candidate === undefined) this.#stored = this.policyState;
      this.policyRead(former);
      reportPolicyChange(this.logger, service, former, this.policyState, rules.isObserving);
      this.#join();
    });
  }

  /** Ends the watches; what was known is remembered for the next time. */
  protected shut(): void {
    this.#sourceWatch?.close();
    this.#policyWatch?.close();
    this.#lookups?.close();
    this.#lookups = undefined;
    this.#sourceWatch = undefined;
    this.#policyWatch = undefined;
    if (this.snapshot !== undefined) {
      const others = this.otherPolicies;
      const policy = this.policyState.candidate === undefined ? this.policyState : this.#stored;
      this.#lastKnownGood = { instances: this.snapshot.instances, policy, others };
    }
    this.#others?.close();
    this.#others = undefined;
    this.#lists?.close();
    this.#lists = undefined;
    this.#backfill.reset();
    this.watchedSinceMs = undefined;
    this.sourceState = undefined;
    this.#delivered = undefined;
    this.#filters = [];
    this.policyState = UNREAD;
    this.snapshot = undefined;
  }

  /** Why there is no snapshot. */
  pendingReason(): string {
    const parts: string[] = [];
    const { plan } = this.policyState;
    if (plan?.lookups !== undefined && this.sourceState !== undefined) {
      const states = this.#lookups?.states([plan], this.sourceState) ?? new Map();
      parts.push(...describeUnansweredLookups(plan, states));
    } else if (this.sourceState === undefined || !isInstanceSetKnown(this.sourceState)) {
      const from = this.target.scheme === 'consul' ? 'Consul' : 'the instances given';
      parts.push(describeUnknown(this.service, from, this.sourceState));
    } else if (plan?.peers !== undefined) {
      const states = this.#lookups?.states([plan], this.sourceState) ?? new Map();
      const reach = this.#reach(plan, this.sourceState, states);
      if (!isInstanceSetKnown(reach)) parts.push(describeUnknown(this.service, 'Consul', reach));
    }
    const pending = pendingPolicy(this.service, this.policyState);
    if (pending !== undefined) parts.push(pending);
    parts.push(...this.#pendingElsewhere(), ...(this.#lists?.pending() ?? []));
    if (parts.length === 0) parts.push(`${this.service}: waiting for Consul to evaluate the policy's subset filters`);
    if (this.watchedSinceMs !== undefined) {
      parts.push(`waiting for ${((this.clock.now() - this.watchedSinceMs) / 1_000).toFixed(1)} s`);
    }
    return parts.join('; ');
  }

  #pendingElsewhere(): readonly string[] {
    const { plan } = this.policyState;
    const pending = this.#others?.pending() ?? [];
    if (pending.length > 0 || plan === undefined || this.sourceState === undefined) return pending;
    const joined = this.#others?.join(plan) ?? plan;
    const states = this.#lookups?.states([joined], this.sourceState) ?? new Map();
    return describeUnknownElsewhere(joined, states, this.snapshot === undefined);
  }

  /** Brings back what an earlier process knew, for the case that Consul cannot be reached or has forgotten. */
  #restore(): void {
    const { clock } = this;
    const { store, rules, others } = this.#options;
    this.#isRestored = store === undefined || this.#lastKnownGood !== undefined;
    if (store === undefined || this.#isRestored) return;
    const done = (): void => {
      this.#isRestored = true;
      this.#rejoin();
    };
    // A disk that hangs must not hold up what Consul says.
    const limit = clock.setTimer(RESTORE_LIMIT_MS, done);
    store.load(this.#storeKey).then((stored) => {
      limit.cancel();
      if (stored !== undefined && this.#lastKnownGood === undefined && this.snapshot === undefined) {
        this.#lastKnownGood = fromStored(stored, rules, others, clock.wallNow() - stored.savedAtMs, clock.now());
      }
      if (this.#sourceWatch === undefined) return;
      const { plan, failure } = this.policyState;
      if (this.#lastKnownGood !== undefined && plan === undefined && failure !== undefined) {
        this.policyState = { ...this.#lastKnownGood.policy, failure };
      }
      this.policyState = orLastKnownGood(this.policyState, this.#lastKnownGood?.policy.plan);
      for (const [name, values] of this.#lastKnownGood?.lists ?? []) this.#options.lists?.restore(name, values);
      if (this.#lastKnownGood?.others !== undefined) this.#others?.restore(this.#lastKnownGood.others);
      done();
    });
  }

  #rejoin(): void {
    if (this.#delivered !== undefined) {
      this.sourceState = this.#backfill.apply(this.#delivered, this.#lastKnownGood?.instances);
    }
    this.#join();
  }

  get #storeKey(): string {
    return formatTarget(this.target);
  }

  /** A plan that waits for what it names leaves the one in force, which goes on with the instances of now. */
  #join(): void {
    const state = this.sourceState;
    const former = this.snapshot && decidingPlan(this.snapshot);
    const wanted = this.#decidingPlan();
    const known = wanted ?? former;
    if (known === undefined || state === undefined || !this.#isRestored) return;
    const lookups = this.#lookUp(known, state);
    const { isObserving } = this.#options.rules;
    const areListsKnown = this.#lists?.follow(known.lists ?? NO_NAMES, former?.lists) !== false;
    // What is only watched decides without lists and without other services for a moment rather than hold calls up.
    const isReady =
      (isObserving || (areListsKnown && isElsewhereKnown(known, lookups, former === undefined))) &&
      this.#canServe(known, state, lookups);
    const plan = isReady ? known : former;
    if (plan === undefined || (!isReady && (plan === known || !this.#canServe(plan, state, lookups)))) return;
    const instances = sameInstances(this.#instances, state, lookups) ? this.#instances : undefined;
    if (instances !== undefined && this.snapshot?.instances === instances && decidingPlan(this.snapshot) === plan) {
      if (this.snapshot.refusal === this.#refusal()) return;
    }
    this.#versions += 1;
    this.#instances = instances ?? {
      version: this.#versions,
      datacenters: state.datacenters,
      ...(lookups.size === 0 ? {} : { lookups }),
    };
    this.snapshot = {
      version: this.#versions,
      service: this.service,
      plan: isObserving ? this.#options.rules.withoutPolicy : plan,
      observed: isObserving ? plan : undefined,
      instances: this.#instances,
      refusal: this.#refusal(),
    };
    this.#lists?.follow(known.lists ?? NO_NAMES, plan.lists);
    this.#reportShortfalls();
    if (this.#refusal() === undefined && this.policyState.candidate === undefined)
      this.#options.store?.save(this.#storeKey, toStored(this.snapshot, this.otherPolicies, this.#options.lists));
    this.takeOver(this.snapshot);
  }

  /** The instances are known, and the plan's filters of them. */
  #canServe(plan: Plan, state: SourceState, lookups: ReadonlyMap<string, DatacenterState>): boolean {
    const reach = this.#reach(plan, state, lookups);
    const isKnown = this.#needsLookups(plan)
      ? areLookupsKnown(plan, lookups, this.snapshot === undefined)
      : isInstanceSetKnown(reach);
    return isKnown && this.#areFiltersAnswered(plan, reach);
  }

  /** All places that calls can go to under a plan of the service itself. */
  #reach(plan: Plan, state: SourceState, lookups: ReadonlyMap<string, DatacenterState>): SourceState {
    return this.#options.rules.isObserving ? state : withPeers(state, plan, lookups);
  }

  /** What the plan looks up beside the service itself, and the plan in force until this one has its answers. */
  #lookUp(plan: Plan, state: SourceState): ReadonlyMap<string, DatacenterState> {
    const plans = this.snapshot === undefined ? [plan] : [plan, decidingPlan(this.snapshot)];
    const filters = this.#lookups?.want(plans, state) ?? [];
    const own = plans.flatMap(filtersOf);
    this.#wantFilters([...new Set([...own, ...filters])]);
    const states = this.#lookups?.states(plans, state) ?? new Map();
    return withLastKnownGoodLookups(states, this.#lastKnownGood?.instances);
  }

  /** Whether its calls go to what it looks up: not where it is only watched. */
  #needsLookups(plan: Plan): boolean {
    return plan.lookups !== undefined && !this.#options.rules.isObserving;
  }

  /** What a policy says is only watched in observe mode, so that one which cannot be had holds no calls up. */
  #decidingPlan(): Plan | undefined {
    const { plan, failure, rejected } = this.policyState;
    const { isObserving, withoutPolicy } = this.#options.rules;
    if (plan === undefined) return isObserving && (failure ?? rejected) !== undefined ? withoutPolicy : undefined;
    // What is only watched decides without the policies of other services for a moment rather than hold calls up.
    return this.#others === undefined ? plan : (this.#others.join(plan) ?? (isObserving ? plan : undefined));
  }

  /** A plan with subset filters comes into force when Consul has answered them; until then the former plan stays. */
  #areFiltersAnswered(plan: Plan, state: SourceState): boolean {
    const wanted = filtersOf(plan);
    // What only watches decides without a filter's answer for a moment rather than hold calls up.
    if (this.#options.rules.isObserving) return true;
    const isFirst = this.snapshot === undefined;
    return state.datacenters.every(
      (each) => !each.known || wanted.every((filter) => isFilterSettled(each, filter, isFirst)),
    );
  }

  #wantFilters(filters: readonly string[]): void {
    if (filters.length === this.#filters.length && filters.every((filter) => this.#filters.includes(filter))) return;
    this.#filters = filters;
    this.#sourceWatch?.setFilters(filters);
  }

  /** What the policy asks for and cannot have at present, and what keeps a newer one out of force. */
  shortfalls(): readonly PolicyProblem[] {
    const { plan } = this.policyState;
    const isWaiting = plan !== undefined && this.snapshot !== undefined && !this.#options.rules.isObserving;
    if (!isWaiting || plan.revision === this.snapshot?.plan.revision) return this.#standingShortfalls();
    const reasons = [...this.#pendingElsewhere(), ...(this.#lists?.pending() ?? [])];
    const message = `revision ${plan.revision} is not in force yet: ${reasons.join('; ')}`;
    return [...this.#standingShortfalls(), ...(reasons.length === 0 ? [] : [{ path: '', message }])];
  }

  #standingShortfalls(): readonly PolicyProblem[] {
    if (this.snapshot === undefined) return [];
    const plan = decidingPlan(this.snapshot);
    const ofLists = this.#options.lists?.problems(plan.lists ?? NO_NAMES) ?? [];
    return [...shortfallsOf(plan, this.snapshot.instances, this.clock.wallNow()), ...ofLists];
  }

  /** Each once, and again after it was gone in between. */
  #reportShortfalls(): void {
    const found = this.#standingShortfalls().map(({ message }) => message);
    for (const problem of found) {
      if (this.#shortfalls.includes(problem)) continue;
      this.logger.warn('the policy asks for what is not there', { service: this.service, problem });
    }
    this.#shortfalls = found;
  }

  #refusal(): string | undefined {
    return this.policyState.isMissing && !this.#options.rules.isObserving
      ? `${this.service}: no policy was found, and this Graylane client requires one (requirePolicy)`
      : undefined;
  }
}

/** Of the subsets that are the service's own; the others are asked for where they are looked up. */
function filtersOf(plan: Plan): readonly string[] {
  return [...plan.subsets.values()].flatMap(({ filter, lookups }) =>
    filter === undefined || lookups !== undefined ? [] : [filter],
  );
}
