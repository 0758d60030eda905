import type { Instance } from '../discovery/source';
import type { Timer } from '../internal/clock';
import {
  type ChannelControlHelper,
  type ChannelOptions,
  connectivity,
  LB_POLICY_NAME,
  LINK_ATTRIBUTE,
  type LoadBalancer,
  type LoadBalancerConstructor,
  type Metadata,
  SNAPSHOT_ATTRIBUTE,
  subchannelOptions,
} from '../internal/grpc';
import type { Decision } from '../policy/plan';
import { type Membership, membershipOf } from '../snapshot/membership';
import type { Snapshot } from '../snapshot/snapshot';
import { AttemptPool } from './attempt';
import { ConnectionSet } from './connection-set';
import { createPoolPicker } from './create-pool-picker';
import type { ChannelLink } from './host';
import { SnapshotPicker, waitingPicker } from './picker';
import { Pool, type PoolParts } from './pool';
import { Spill } from './spill';
import { chooseSubset } from './subsetting';
import { Topology } from './topology';

/** Above this size a pool that already serves is refreshed at most every `REFRESH_MS`, so that n connects do not cost n^2. */
const LARGE_POOL = 256;
const REFRESH_MS = 50;
/** After this, instances that were lost no longer count as known. A little longer than the registry counts them. */
const LOST_MS = 60_500;

/**
 * The load-balancing policy of this library, one object for each channel that is not idle. Takes a snapshot from the
 * resolver, keeps a connection to each endpoint that the snapshot's plan can send calls to, and publishes a picker
 * whenever something that picks depend on has changed. Statistics live in the host and survive it.
 */
export function createBalancerClass(createMetadata: () => Metadata): LoadBalancerConstructor {
  return class GraylaneLoadBalancer implements LoadBalancer {
    readonly #helper: ChannelControlHelper;
    #active: ActiveBalancer | undefined;

    constructor(helper: ChannelControlHelper) {
      this.#helper = helper;
    }

    updateAddressList(_endpoints: unknown, _config: unknown, options: ChannelOptions): boolean {
      const link = options[LINK_ATTRIBUTE] as ChannelLink | undefined;
      if (link === undefined) return false;
      this.#active ??= new ActiveBalancer(this.#helper, link, subchannelOptions(options), createMetadata);
      this.#active.update(options[SNAPSHOT_ATTRIBUTE] as Snapshot | undefined);
      return true;
    }

    exitIdle(): void {
      this.#active?.reconnect();
    }

    resetBackoff(): void {
      this.#active?.reconnect();
    }

    destroy(): void {
      this.#active?.close();
      this.#active = undefined;
    }

    getTypeName(): string {
      return LB_POLICY_NAME;
    }
  };
}

class ActiveBalancer {
  readonly #helper: ChannelControlHelper;
  readonly #link: ChannelLink;
  readonly #connections: ConnectionSet;
  readonly #attempts: AttemptPool;
  readonly #createMetadata: () => Metadata;
  readonly #unsubscribe: () => void;
  #snapshot: Snapshot | undefined;
  #topology: Topology | undefined;
  #older = new WeakMap<Snapshot['plan'], Topology>();
  /** By datacenter and subset. */
  readonly #spills = new Map<string, Spill>();
  /** By the list they were chosen from, which belongs to one plan and one instance set. */
  readonly #shares = new WeakMap<readonly Instance[], readonly Instance[]>();
  #flush: NodeJS.Immediate | undefined;
  #lateFlush: Timer | undefined;
  #forgetLost: Timer | undefined;
  #flushedAtMs = Number.NEGATIVE_INFINITY;
  #rebuiltAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    helper: ChannelControlHelper,
    link: ChannelLink,
    options: ChannelOptions,
    createMetadata: () => Metadata,
  ) {
    this.#helper = helper;
    this.#link = link;
    this.#createMetadata = createMetadata;
    const { host } = link;
    this.#attempts = new AttemptPool(host);
    this.#connections = new ConnectionSet(helper, host, options, {
      stateChanged: () => this.#scheduleFlush(),
      setGrew: (isComplete) => this.#grew(isComplete),
    });
    this.#unsubscribe = host.endpoints.subscribe(
      () => this.#scheduleFlush(),
      (nowMs) => this.#judge(nowMs),
    );
  }

  update(snapshot: Snapshot | undefined): void {
    if (snapshot !== undefined) {
      this.#snapshot = snapshot;
      this.#connections.want(this.#wanted(snapshot), snapshot.plan.balancing.drainMs);
    }
    this.#rebuild();
  }

  reconnect(): void {
    this.#connections.reconnect();
  }

  close(): void {
    this.#unsubscribe();
    if (this.#flush !== undefined) clearImmediate(this.#flush);
    this.#lateFlush?.cancel();
    this.#forgetLost?.cancel();
    this.#connections.close();
    this.#link.isReady = false;
    this.#link.waitingReason = undefined;
  }

  /** Every instance that some destination of the plan can reach, nearest datacenter first, each once. */
  #wanted(snapshot: Snapshot): Iterable<Instance> {
    const membership = membershipOf(snapshot.plan, snapshot.instances);
    const wanted = new Set<Instance>();
    for (const datacenter of membership.datacenters) {
      for (const group of membership.groups) {
        if (group.datacenter !== datacenter) continue;
        for (const instance of this.#share(group.usable, snapshot.plan)) wanted.add(instance);
      }
    }
    // Only those that there is a connection to anyhow: nobody connects afresh to what has vanished.
    if (membership.isAnyAbsent) {
      for (const subset of snapshot.plan.subsets.keys()) {
        for (const datacenter of membership.datacenters) {
          for (const instance of this.#connections.among(membership.absent(subset, datacenter))) wanted.add(instance);
        }
      }
    }
    return wanted;
  }

  /** This client's share of a group under deterministic subsetting. */
  #share(instances: readonly Instance[], plan: Snapshot['plan']): readonly Instance[] {
    const size = plan.balancing.subsetSize;
    if (size === undefined || instances.length <= size) return instances;
    let share = this.#shares.get(instances);
    if (share === undefined) {
      share = chooseSubset(instances, (instance) => instance.key, size, this.#link.host.clientId);
      this.#shares.set(instances, share);
    }
    return share;
  }

  /** While many connections are opened, those that exist serve; looking at all of them after each slice would cost n^2. */
  #grew(isComplete: boolean): void {
    const isLarge = this.#topology?.pools.some((pool) => pool.members.length > LARGE_POOL && pool.picker !== undefined);
    const isEarly = this.#link.host.clock.now() - this.#rebuiltAtMs < REFRESH_MS;
    if (isComplete || isLarge !== true || !isEarly) this.#rebuild();
  }

  #rebuild(): void {
    this.#rebuiltAtMs = this.#link.host.clock.now();
    const snapshot = this.#snapshot;
    if (snapshot !== undefined) {
      this.#older = new WeakMap();
      this.#topology = this.#build(snapshot.plan, snapshot, this.#topology, this.#spills);
      this.#watchLost();
    }
    this.#publish();
  }

  /** Looks again when the instances that were lost no longer count. */
  #watchLost(): void {
    const { clock, endpoints } = this.#link.host;
    this.#forgetLost?.cancel();
    const isAnyLost = endpoints.turnover().lost.length > 0;
    this.#forgetLost = isAnyLost ? clock.setTimer(LOST_MS, () => this.#rebuild()) : undefined;
  }

  #build(
    plan: Snapshot['plan'],
    snapshot: Snapshot,
    former: Topology | undefined,
    spills: Map<string, Spill>,
  ): Topology {
    const { host } = this.#link;
    const membership = membershipOf(plan, snapshot.instances);
    const turnover = host.endpoints.turnover();
    return new Topology(plan, membership, (subset, datacenter, isAbsent) => {
      if (isAbsent) return this.#absentPool(plan, membership, subset, datacenter, former);
      const group = membership.group(subset, datacenter);
      const subsetPlan = plan.subsets.get(subset);
      const { overprovisioning } = plan.locality;
      const key = `${datacenter}\n${subset}${overprovisioning === undefined ? '' : `\n${overprovisioning}`}`;
      const now = host.clock.now();
      if (group === undefined || group.usable.length === 0 || subsetPlan === undefined) {
        spills.get(key)?.update(0, 1, now);
        return undefined;
      }
      const spill = spills.get(key) ?? new Spill(overprovisioning);
      spills.set(key, spill);
      const { members, missing } = this.#connections.to(this.#share(group.usable, plan));
      const isOfGroup = (each: Instance): boolean =>
        each.datacenter === datacenter && membership.wouldTake(subset, each);
      // Lost and not replaced: a rolling restart under new addresses loses nothing.
      const gone = turnover.lost.filter(isOfGroup).length - turnover.joined.filter(isOfGroup).length;
      const sheds = subsetPlan.fallback !== undefined && subsetPlan.subsetBreaker.enabled;
      const parts: PoolParts = {
        subset,
        datacenter,
        isAbsent: false,
        members,
        missing,
        absent: group.unusable.length + Math.max(0, gone),
        balancing: subsetPlan.balancing ?? plan.balancing,
        breakerPlan: subsetPlan.breaker,
        subsetBreaker: sheds ? host.breakers.forSubset(subsetPlan, datacenter) : undefined,
        spill,
      };
      return this.#keepOrMake(parts, former, now);
    });
  }

  /** Those that vanished with many others, as far as they are still connected. */
  #absentPool(
    plan: Snapshot['plan'],
    membership: Membership,
    subset: string,
    datacenter: string,
    former: Topology | undefined,
  ): Pool | undefined {
    const subsetPlan = plan.subsets.get(subset);
    const { members } = this.#connections.to(membership.absent(subset, datacenter));
    if (subsetPlan === undefined || members.length === 0) return undefined;
    const parts: PoolParts = {
      subset,
      datacenter,
      isAbsent: true,
      members,
      missing: 0,
      absent: 0,
      balancing: plan.balancing,
      breakerPlan: subsetPlan.breaker,
      subsetBreaker: undefined,
      spill: former?.pools.find((pool) => isPoolOf(pool, subset, datacenter, true))?.spill ?? new Spill(),
    };
    return this.#keepOrMake(parts, former, this.#link.host.clock.now());
  }

  #keepOrMake(parts: PoolParts, former: Topology | undefined, now: number): Pool {
    const { subset, datacenter, isAbsent } = parts;
    const kept = former?.pools.find((pool) => isPoolOf(pool, subset, datacenter, isAbsent));
    if (kept?.isMadeOf(parts) !== true) {
      return new Pool(parts, { create: createPoolPicker, random: this.#link.host.random }, now);
    }
    kept.refresh(now);
    return kept;
  }

  #topologyUnder(decision: Decision): Topology {
    let topology = this.#older.get(decision.plan);
    if (topology === undefined) {
      // What an older plan makes of the tiers must not sway how much of their calls they keep under the current one.
      topology = this.#build(decision.plan, this.#snapshot as Snapshot, undefined, new Map());
      this.#older.set(decision.plan, topology);
    }
    return topology;
  }

  #judge(nowMs: number): boolean {
    let isChanged = false;
    for (const pool of this.#topology?.pools ?? []) if (pool.judge(nowMs)) isChanged = true;
    return isChanged;
  }

  #scheduleFlush(): void {
    if (this.#flush !== undefined || this.#lateFlush !== undefined) return;
    const { clock } = this.#link.host;
    const isLarge = this.#topology?.pools.some((pool) => pool.members.length > LARGE_POOL && pool.picker !== undefined);
    const dueInMs = isLarge === true ? this.#flushedAtMs + REFRESH_MS - clock.now() : 0;
    const run = (): void => {
      this.#flush = undefined;
      this.#lateFlush = undefined;
      this.#flushedAtMs = clock.now();
      for (const pool of this.#topology?.pools ?? []) pool.refresh(clock.now());
      this.#older = new WeakMap();
      this.#publish();
    };
    if (dueInMs > 0) this.#lateFlush = clock.setTimer(dueInMs, run);
    else this.#flush = setImmediate(run);
  }

  #publish(): void {
    const snapshot = this.#snapshot;
    const topology = this.#topology;
    const { host } = this.#link;
    if (snapshot === undefined || topology === undefined) {
      this.#link.isReady = false;
      this.#link.waitingReason = () => host.pendingReason();
      this.#helper.updateState(connectivity.CONNECTING, waitingPicker, null);
      return;
    }
    const isReady = topology.pools.some((pool) => pool.picker !== undefined);
    const isPending = topology.pools.some((pool) => pool.isPending);
    this.#link.isReady = isReady;
    this.#link.waitingReason = () => {
      const staleness = host.staleness?.();
      return `${describeWaiting(host.service, topology)}${staleness === undefined ? '' : `; ${staleness}`}`;
    };
    const picker = new SnapshotPicker(
      {
        host,
        attempts: this.#attempts,
        createMetadata: this.#createMetadata,
        topologyUnder: (decision) => this.#topologyUnder(decision),
      },
      snapshot,
      topology,
    );
    const state = isReady ? connectivity.READY : isPending ? connectivity.CONNECTING : connectivity.TRANSIENT_FAILURE;
    this.#helper.updateState(state, picker, isReady ? null : describeWaiting(host.service, topology));
  }
}

function isPoolOf(pool: Pool, subset: string, datacenter: string, isAbsent: boolean): boolean {
  return pool.subset === subset && pool.datacenter === datacenter && pool.isAbsent === isAbsent;
}

function describeWaiting(service: string, topology: Topology): string {
  const pools = topology.pools.map((pool) => {
    const connected = pool.members.filter((member) => member.isReady).length;
    const failure = pool.lastFailure === undefined ? '' : ` (last failure: ${pool.lastFailure})`;
    return `${pool.subset} in ${pool.datacenter}: ${connected} of ${pool.members.length + pool.missing} connected${failure}`;
  });
  return `${service}: ${pools.length === 0 ? 'no usable instance is known' : pools.join(', ')}`;
}
