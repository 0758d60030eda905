import type { Clock } from '../../base/clock';
import type { DatacenterState, SourceState } from '../../base/instances';
import type { Logger } from '../../base/logger';
import { shortfallsOf } from '../../policy/membership/shortfalls';
import { decidingPlan, type InstanceSet, type Snapshot } from '../../policy/membership/snapshot';
import type { Plan } from '../../policy/plan';
import { locateProblem } from '../../policy/policy-error';
import type { Source, SourceWatch } from '../discovery/source';
import type { StateStore } from '../discovery/state-store';
import { formatTarget, type Target } from '../grpc/target';
import { Backfill, type LastKnownGood } from './last-known-good';
import { areLookupsKnown, describeUnansweredLookups, LookupWatches, withPeers } from './lookup-watches';
import type { PolicySource, PolicyWatch } from './policy-sources/source';
import { nextPolicyState, type PolicyRules, type PolicyState, reportPolicyChange, UNREAD } from './policy-state';
import {
  describeUnknown,
  isFilterSettled,
  isInstanceSetKnown,
  sameInstances,
  withLastKnownGoodLookups,
} from './readiness';
import { fromStored, toStored } from './stored-state';

export interface ServiceStateOptions {
  readonly target: Target;
  readonly source: Source;
  /** Undefined: this service is used without a policy, as the target or the Graylane client says. */
  readonly policies: PolicySource | undefined;
  readonly rules: PolicyRules;
  readonly datacenters: readonly string[] | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where what is known survives the process; undefined: nowhere. */
  readonly store: StateStore | undefined;
  /** Told of each reading of the policy, before what follows from it. Must not throw. */
  readonly onPolicyState?: (former: PolicyState, next: PolicyState) => void;
  /** See `BackfillOptions`. Default 0. */
  readonly emptyGracePeriodMs?: number;
}

const RESTORE_LIMIT_MS = 1_000;

/**
 * The state of one service: watches its instances and its policy between `open()` and `close()`, joins the two into
 * immutable snapshots, and keeps the last known good for the next start, when the registry may be gone.
 */
export class ServiceState {
  readonly #options: ServiceStateOptions;
  readonly #onSnapshot: (snapshot: Snapshot) => void;
  readonly #backfill: Backfill;
  #sourceWatch: SourceWatch | undefined;
  #lookups: LookupWatches | undefined;
  #policyWatch: PolicyWatch | undefined;
  #sourceState: SourceState | undefined;
  #openedAtMs: number | undefined;
  #policy: PolicyState = UNREAD;
  #snapshot: Snapshot | undefined;
  #lastKnownGood: LastKnownGood | undefined;
  /** As discovery delivered it, without what was remembered. */
  #delivered: SourceState | undefined;
  #instances: InstanceSet | undefined;
  #filters: readonly string[] = [];
  #shortfalls: readonly string[] = [];
  #versions = 0;
  /** What an earlier process knew has been read, or there is nothing to read. */
  #isRestored = true;

  /** `onSnapshot` is called with each new snapshot, never inside `open()`. */
  constructor(options: ServiceStateOptions, onSnapshot: (snapshot: Snapshot) => void) {
    this.#options = options;
    this.#onSnapshot = onSnapshot;
    const { clock, logger, emptyGracePeriodMs = 0 } = options;
    this.#backfill = new Backfill({
      service: options.target.service,
      gracePeriodMs: emptyGracePeriodMs,
      clock,
      logger,
      onOver: () => {
        this.#backfillState();
        this.#join();
      },
    });
  }

  get isOpen(): boolean {
    return this.#sourceWatch !== undefined;
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  get sourceState(): SourceState | undefined {
    return this.#sourceState;
  }

  get policyState(): PolicyState {
    return this.#policy;
  }

  /** Starts the watches. */
  open(): void {
    const { source, policies, target, datacenters } = this.#options;
    const wanted = target.datacenters ?? datacenters;
    this.#openedAtMs = this.#options.clock.now();
    this.#sourceWatch = source.watch(
      {
        service: this.#options.target.service,
        tags: target.tags,
        ...(target.port === undefined ? {} : { port: target.port }),
        ...(wanted === undefined ? {} : { datacenters: wanted }),
      },
      (state) => {
        this.#delivered = state;
        this.#backfillState();
        this.#join();
      },
    );
    const { service, tags, port } = target;
    this.#lookups = new LookupWatches(source, { service, tags, port, datacenters: wanted }, () => this.#join());
    this.#restore();
    if (policies === undefined) {
      this.#policy = { ...UNREAD, plan: this.#options.rules.withoutPolicy };
      return;
    }
    this.#policyWatch = policies.watch(this.#options.target.service, (reading) => {
      const former = this.#policy;
      // What was in force before an idle spell is still the last good policy when it can't be read again.
      const known = former.plan === undefined && reading.kind !== 'present' ? this.#lastKnownGood?.policy : undefined;
      this.#policy = this.#orLastKnownGood(nextPolicyState(known ?? former, reading, this.#options.rules));
      this.#options.onPolicyState?.(former, this.#policy);
      const { logger, rules } = this.#options;
      reportPolicyChange(logger, this.#options.target.service, former, this.#policy, rules.isObserving);
      this.#join();
    });
  }

  /** Ends the watches; what was known is remembered for the next time. */
  close(): void {
    this.#sourceWatch?.close();
    this.#policyWatch?.close();
    this.#lookups?.close();
    this.#lookups = undefined;
    this.#sourceWatch = undefined;
    this.#policyWatch = undefined;
    if (this.#snapshot !== undefined) {
      this.#lastKnownGood = { instances: this.#snapshot.instances, policy: this.#policy };
    }
    this.#backfill.reset();
    this.#openedAtMs = undefined;
    this.#sourceState = undefined;
    this.#delivered = undefined;
    this.#filters = [];
    this.#policy = UNREAD;
    this.#snapshot = undefined;
  }

  /** Why there is no snapshot. */
  pendingReason(): string {
    const parts: string[] = [];
    const { plan, failure, rejected } = this.#policy;
    if (plan?.lookups !== undefined && this.#sourceState !== undefined) {
      const states = this.#lookups?.states([plan], this.#sourceState) ?? new Map();
      parts.push(...describeUnansweredLookups(plan, states));
    } else if (this.#sourceState === undefined || !isInstanceSetKnown(this.#sourceState)) {
      const from = this.#options.target.scheme === 'consul' ? 'Consul' : 'the instances given';
      parts.push(describeUnknown(this.#options.target.service, from, this.#sourceState));
    } else if (plan?.peers !== undefined) {
      const states = this.#lookups?.states([plan], this.#sourceState) ?? new Map();
      const reach = this.#reach(plan, this.#sourceState, states);
      if (!isInstanceSetKnown(reach)) parts.push(describeUnknown(this.#options.target.service, 'Consul', reach));
    }
    if (plan === undefined) {
      const [problem] = rejected?.problems ?? [];
      const { service } = this.#options.target;
      if (problem === undefined) parts.push(`${service}: policy not known (${failure ?? 'no answer yet'})`);
      else parts.push(`${service}: no policy is in force (refused: ${locateProblem(rejected?.place, problem)})`);
    }
    if (parts.length === 0)
      parts.push(`${this.#options.target.service}: waiting for Consul to evaluate the policy's subset filters`);
    if (this.#openedAtMs !== undefined) {
      parts.push(`waiting for ${((this.#options.clock.now() - this.#openedAtMs) / 1_000).toFixed(1)} s`);
    }
    return parts.join('; ');
  }

  /** Brings back what an earlier process knew, for the case that Consul cannot be reached or has forgotten. */
  #restore(): void {
    const { store, rules, clock } = this.#options;
    this.#isRestored = store === undefined || this.#lastKnownGood !== undefined;
    if (store === undefined || this.#isRestored) return;
    const done = (): void => {
      this.#isRestored = true;
      this.#backfillState();
      this.#join();
    };
    // A disk that hangs must not hold up what Consul says.
    const limit = clock.setTimer(RESTORE_LIMIT_MS, done);
    store.load(this.#storeKey).then((stored) => {
      limit.cancel();
      if (stored !== undefined && this.#lastKnownGood === undefined && this.#snapshot === undefined) {
        this.#lastKnownGood = fromStored(stored, rules, clock.wallNow() - stored.savedAtMs, clock.now());
      }
      if (this.#sourceWatch === undefined) return;
      const { plan, failure } = this.#policy;
      if (this.#lastKnownGood !== undefined && plan === undefined && failure !== undefined) {
        this.#policy = { ...this.#lastKnownGood.policy, failure };
      }
      this.#policy = this.#orLastKnownGood(this.#policy);
      done();
    });
  }

  /**
   * Where the newest was refused and nothing else is in force, what an earlier process went by is the last good one.
   */
  #orLastKnownGood(state: PolicyState): PolicyState {
    const plan = this.#lastKnownGood?.policy.plan;
    return state.plan !== undefined || state.rejected === undefined || plan === undefined ? state : { ...state, plan };
  }

  #backfillState(): void {
    if (this.#delivered !== undefined) {
      this.#sourceState = this.#backfill.apply(this.#delivered, this.#lastKnownGood?.instances);
    }
  }

  get #storeKey(): string {
    return formatTarget(this.#options.target);
  }

  #join(): void {
    const state = this.#sourceState;
    const plan = this.#decidingPlan();
    if (plan === undefined || state === undefined || !this.#isRestored) return;
    const lookups = this.#lookUp(plan, state);
    const isKnown = this.#needsLookups(plan)
      ? areLookupsKnown(plan, lookups, this.#snapshot === undefined)
      : isInstanceSetKnown(this.#reach(plan, state, lookups));
    if (!isKnown || !this.#areFiltersAnswered(plan, this.#reach(plan, state, lookups))) return;
    const instances = sameInstances(this.#instances, state, lookups) ? this.#instances : undefined;
    if (instances !== undefined && this.#snapshot?.instances === instances && decidingPlan(this.#snapshot) === plan) {
      if (this.#snapshot.refusal === this.#refusal()) return;
    }
    this.#versions += 1;
    this.#instances = instances ?? {
      version: this.#versions,
      datacenters: state.datacenters,
      ...(lookups.size === 0 ? {} : { lookups }),
    };
    this.#snapshot = {
      version: this.#versions,
      service: this.#options.target.service,
      plan: this.#options.rules.isObserving ? this.#options.rules.withoutPolicy : plan,
      observed: this.#options.rules.isObserving ? plan : undefined,
      instances: this.#instances,
      refusal: this.#refusal(),
    };
    this.#reportShortfalls(plan);
    if (this.#refusal() === undefined) this.#options.store?.save(this.#storeKey, toStored(this.#snapshot));
    this.#onSnapshot(this.#snapshot);
  }

  /** All places that calls can go to under a plan of the service itself. */
  #reach(plan: Plan, state: SourceState, lookups: ReadonlyMap<string, DatacenterState>): SourceState {
    return this.#options.rules.isObserving ? state : withPeers(state, plan, lookups);
  }

  /** What the plan looks up beside the service itself, and the plan in force until this one has its answers. */
  #lookUp(plan: Plan, state: SourceState): ReadonlyMap<string, DatacenterState> {
    const plans = this.#snapshot === undefined ? [plan] : [plan, decidingPlan(this.#snapshot)];
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
    const { plan, failure, rejected } = this.#policy;
    const { isObserving, withoutPolicy } = this.#options.rules;
    return plan ?? (isObserving && (failure ?? rejected) !== undefined ? withoutPolicy : undefined);
  }

  /** A plan with subset filters comes into force when Consul has answered them; until then the former plan stays. */
  #areFiltersAnswered(plan: Plan, state: SourceState): boolean {
    const wanted = filtersOf(plan);
    // What only watches decides without a filter's answer for a moment rather than hold calls up.
    if (this.#options.rules.isObserving) return true;
    const isFirst = this.#snapshot === undefined;
    return state.datacenters.every(
      (each) => !each.known || wanted.every((filter) => isFilterSettled(each, filter, isFirst)),
    );
  }

  #wantFilters(filters: readonly string[]): void {
    if (filters.length === this.#filters.length && filters.every((filter) => this.#filters.includes(filter))) return;
    this.#filters = filters;
    this.#sourceWatch?.setFilters(filters);
  }

  /** Each once, and again after it was gone in between. */
  #reportShortfalls(plan: Plan): void {
    const { clock, logger, target } = this.#options;
    if (this.#instances === undefined) return;
    const found = shortfallsOf(plan, this.#instances, clock.wallNow()).map(({ message }) => message);
    for (const problem of found) {
      if (this.#shortfalls.includes(problem)) continue;
      logger.warn('the policy asks for what is not there', { service: target.service, problem });
    }
    this.#shortfalls = found;
  }

  #refusal(): string | undefined {
    return this.#policy.isMissing && !this.#options.rules.isObserving
      ? `${this.#options.target.service}: no policy was found, and this Graylane client requires one (requirePolicy)`
      : undefined;
  }
}

/** Of the subsets that are the service's own; the others are asked for where they are looked up. */
function filtersOf(plan: Plan): readonly string[] {
  if (plan.lookups !== undefined) return [];
  return [...plan.subsets.values()].flatMap((subset) => (subset.filter === undefined ? [] : [subset.filter]));
}
