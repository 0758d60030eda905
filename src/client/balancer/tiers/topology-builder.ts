import type { Instance } from '../../../base/instances';
import { hasStandIn } from '../../../policy/destinations';
import { isLaneSubset } from '../../../policy/lanes/lane-plan';
import { type Membership, membershipOf } from '../../../policy/membership/membership';
import type { Snapshot } from '../../../policy/membership/snapshot';
import type { TierKind } from '../../../policy/membership/tiers';
import type { Plan, SubsetPlan } from '../../../policy/plan';
import type { BalancerContext } from '../context';
import type { ConnectionSet } from '../endpoints/connection-set';
import { shareOf } from '../endpoints/subsetting';
import { ZonePreferences } from '../zones/zone-preferences';
import { Pool, type PoolParts } from './pool';
import { Spill, spillName } from './spill';
import { Topology } from './topology';

/** A pool of last resort. */
interface LastPool {
  readonly plan: Plan;
  readonly membership: Membership;
  readonly subset: string;
  readonly datacenter: string;
  readonly kind: Exclude<TierKind, 'listed'>;
  /** Its instances are not connected yet, and will be. */
  readonly isNew: boolean;
}

/**
 * Says which instances of a snapshot one channel should be connected to, and makes topologies of those connections.
 * What has not changed is kept: pools with their pickers, and how much of its calls each tier kept.
 */
export class TopologyBuilder {
  readonly #context: BalancerContext;
  readonly #connections: ConnectionSet;
  /** By datacenter and subset. */
  readonly #spills = new Map<string, Spill>();
  readonly #zones: ZonePreferences;
  /** Only while the one that replaces it is made: a topology keeps what makes its lanes, and must not keep this. */
  #former: Topology | undefined;
  /** Subsets of the lanes that calls went to: only these are connected. */
  readonly #openLanes = new Set<string>();
  readonly #onLane: () => void;
  /** Lanes were opened since the connections were last told what is wanted. */
  #isOpening = false;
  /** By the list they were chosen from, which belongs to one plan and one instance set. */
  readonly #shares = new WeakMap<readonly Instance[], readonly Instance[]>();

  /** `onLane`: the first call goes to a lane, whose instances are wanted from now on. Called within the pick. */
  constructor(context: BalancerContext, connections: ConnectionSet, onLane: () => void) {
    this.#context = context;
    this.#onLane = onLane;
    this.#connections = connections;
    this.#zones = new ZonePreferences(context);
  }

  /** Every instance that some destination of the plan can reach, nearest datacenter first, each once. */
  wanted({ plan, instances }: Snapshot): Iterable<Instance> {
    this.#isOpening = false;
    const membership = membershipOf(plan, instances);
    const groups = membership.groups.filter(({ isLane, subset }) => !isLane || this.#openLanes.has(subset));
    const [sole, ...others] = groups;
    if (sole !== undefined && others.length === 0 && !membership.isAnyAbsent && !membership.isAnyDraining) {
      return this.#share(sole.usable, plan);
    }
    const wanted = new Set<Instance>();
    for (const datacenter of membership.datacenters) {
      for (const group of groups) {
        if (group.datacenter !== datacenter) continue;
        for (const instance of this.#share(group.usable, plan)) wanted.add(instance);
      }
    }
    // They keep their connections, and may be all that there is.
    for (const { draining } of membership.isAnyDraining ? groups : []) {
      for (const instance of this.#kept(draining, plan)) wanted.add(instance);
    }
    // Only those that there is a connection to anyhow: nobody connects afresh to what has vanished.
    if (membership.isAnyAbsent) {
      for (const subset of [...plan.subsets.keys(), ...this.#openLanes]) {
        for (const datacenter of membership.datacenters) {
          for (const instance of this.#connections.among(membership.absent(subset, datacenter))) wanted.add(instance);
        }
      }
    }
    return wanted;
  }

  /** Of the snapshot's own plan; `former` is the topology that this one replaces. */
  build(snapshot: Snapshot, former: Topology | undefined): Topology {
    const { lanes } = membershipOf(snapshot.plan, snapshot.instances);
    for (const subset of this.#openLanes) if (lanes?.ofSubset(subset) === undefined) this.#closeLane(subset);
    this.#former = former;
    const topology = this.#build(snapshot.plan, snapshot, this.#spills, this.#zones);
    for (const subset of this.#openLanes) {
      const lane = lanes?.ofSubset(subset);
      if (lane !== undefined) topology.laneTiers(lane.decision);
    }
    this.#former = undefined;
    return topology;
  }

  #closeLane(subset: string): void {
    this.#openLanes.delete(subset);
    for (const [name, spill] of this.#spills) {
      if (!name.endsWith(`\n${subset}`)) continue;
      this.#spills.delete(name);
      if (this.#context.spills.get(name) === spill) this.#context.spills.delete(name);
    }
    this.#zones.forget(subset);
  }

  /** Nothing goes by its topologies any more. */
  close(): void {
    const { spills } = this.#context;
    const own = new Set(this.#spills.values());
    for (const [name, spill] of spills) if (own.has(spill)) spills.delete(name);
  }

  /** Of another plan, for calls that were decided under it: it must not sway how much of their calls tiers keep now. */
  buildUnder(plan: Plan, snapshot: Snapshot): Topology {
    return this.#build(plan, snapshot, new Map(), new ZonePreferences(this.#context, false));
  }

  #build(plan: Plan, snapshot: Snapshot, spills: Map<string, Spill>, zones: ZonePreferences): Topology {
    const membership = membershipOf(plan, snapshot.instances);
    const turnover = this.#context.endpoints.turnover();
    return new Topology(plan, membership, (subset, datacenter, kind) => {
      const isNew = isLaneSubset(subset) && this.#openLane(subset, datacenter, snapshot);
      if (kind !== 'listed') return this.#lastPool({ plan, membership, subset, datacenter, kind, isNew });
      const group = membership.group(subset, datacenter);
      const subsetPlan = membership.subset(subset);
      const { overprovisioning } = plan.locality;
      const name = spillName(subset, datacenter);
      const key = overprovisioning === undefined ? name : `${name}\n${overprovisioning}`;
      const now = this.#context.clock.now();
      if (group === undefined || group.usable.length === 0 || subsetPlan === undefined) {
        // Where nobody is looked for, nobody is missing.
        if (subsetPlan !== undefined && !isLookedFor(subsetPlan, datacenter)) spills.delete(key);
        else spills.get(key)?.update(0, 1, now);
        return undefined;
      }
      const spill = spills.get(key) ?? new Spill(overprovisioning);
      spills.set(key, spill);
      if (spills === this.#spills) this.#context.spills.set(name, spill);
      const share = this.#share(group.usable, plan);
      const { members, missing: toOpen } = this.#connections.to(share);
      const missing = isNew ? share.length - members.length : toOpen;
      const isOfGroup = (each: Instance): boolean =>
        each.datacenter === datacenter && membership.wouldTake(subset, each);
      // Lost and not replaced: a rolling restart under new addresses loses nothing.
      const lost = turnover.lost.filter(isOfGroup);
      const joined = turnover.joined.filter(isOfGroup);
      const balancing = subsetPlan.balancing ?? plan.balancing;
      const isWatched = subsetPlan.subsetBreaker.enabled || subsetPlan.guard !== undefined;
      const sheds = hasStandIn(subsetPlan) && isWatched;
      const parts: PoolParts = {
        subset,
        datacenter,
        kind: 'listed',
        members,
        missing,
        absent: group.unusable.length - group.draining.length + Math.max(0, lost.length - joined.length),
        balancing,
        breakerPlan: subsetPlan.breaker,
        subsetBreaker: sheds ? this.#context.breakers.forSubset(subsetPlan, datacenter) : undefined,
        spill,
        limit: this.#context.limits.of(subset),
        zones: zones.of(plan, balancing, group, datacenter === membership.datacenters[0], { lost, joined }),
      };
      return this.#keepOrMake(parts, now);
    });
  }

  /** Those that drain, or that vanished with many others, as far as they are still connected. */
  #lastPool({ plan, membership, subset, datacenter, kind, isNew }: LastPool): Pool | undefined {
    const subsetPlan = membership.subset(subset);
    const { draining = [] } = membership.group(subset, datacenter) ?? {};
    const isDraining = kind === 'draining';
    const instances = isDraining ? [...this.#kept(draining, plan)] : membership.absent(subset, datacenter);
    const { members, missing: toOpen } = this.#connections.to(instances);
    const missing = isDraining ? (isNew ? instances.length - members.length : toOpen) : 0;
    if (subsetPlan === undefined || members.length + missing === 0) return undefined;
    const parts: PoolParts = {
      subset,
      datacenter,
      kind,
      members,
      missing,
      absent: 0,
      balancing: subsetPlan.balancing ?? plan.balancing,
      breakerPlan: subsetPlan.breaker,
      subsetBreaker: undefined,
      limit: this.#context.limits.of(subset),
      spill: this.#former?.pool(subset, datacenter, kind)?.spill ?? new Spill(),
    };
    return this.#keepOrMake(parts, this.#context.clock.now());
  }

  #keepOrMake(parts: PoolParts, now: number): Pool {
    const { subset, datacenter, kind } = parts;
    const kept = this.#former?.pool(subset, datacenter, kind);
    if (kept?.isMadeOf(parts) !== true) return new Pool(parts, this.#context.random, now);
    kept.refresh(now);
    return kept;
  }

  /** True: its instances are not connected yet, and will be. */
  #openLane(subset: string, datacenter: string, { plan, instances }: Snapshot): boolean {
    if (this.#openLanes.has(subset)) return this.#isOpening;
    // A call that was decided under another plan may go to a lane that is none now.
    if (membershipOf(plan, instances).group(subset, datacenter) === undefined) return false;
    this.#openLanes.add(subset);
    this.#isOpening = true;
    this.#onLane();
    return true;
  }

  /** Of those that drain: the connected ones, and this client's share. */
  #kept(draining: readonly Instance[], plan: Plan): ReadonlySet<Instance> {
    return new Set([...this.#connections.among(draining), ...this.#share(draining, plan)]);
  }

  /** This client's share of a group under deterministic subsetting. */
  #share(instances: readonly Instance[], plan: Plan): readonly Instance[] {
    let share = this.#shares.get(instances);
    if (share === undefined) {
      share = shareOf(instances, plan, this.#context.clientId);
      this.#shares.set(instances, share);
    }
    return share;
  }
}

/** Of a subset of another service: whether the plan looks for its instances there. */
function isLookedFor({ service, lookups = [] }: SubsetPlan, datacenter: string): boolean {
  if (service === undefined) return true;
  return lookups.some((lookup) => lookup.isEverywhere === true || lookup.datacenter === datacenter);
}
