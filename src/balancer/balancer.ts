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
import type { Snapshot } from '../snapshot/snapshot';
import { AttemptPool } from './attempts/attempt';
import { ConnectionSet } from './endpoints/connection-set';
import type { ChannelLink } from './host';
import { SnapshotPicker, waitingPicker } from './picker';
import { describeWaiting } from './tiers/refusal';
import type { Topology } from './tiers/topology';
import { TopologyBuilder } from './tiers/topology-builder';

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
  readonly #builder: TopologyBuilder;
  readonly #attempts: AttemptPool;
  readonly #createMetadata: () => Metadata;
  readonly #unsubscribe: () => void;
  #snapshot: Snapshot | undefined;
  #topology: Topology | undefined;
  #older = new WeakMap<Snapshot['plan'], Topology>();
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
      stateChanged: (connection) => this.#stateChanged(connection.isReady),
      setGrew: (isComplete) => this.#grew(isComplete),
    });
    this.#builder = new TopologyBuilder(host, this.#connections);
    this.#unsubscribe = host.endpoints.subscribe(
      () => this.#scheduleFlush(),
      (nowMs) => this.#judge(nowMs),
    );
  }

  update(snapshot: Snapshot | undefined): void {
    if (snapshot !== undefined) {
      this.#snapshot = snapshot;
      this.#connections.want(this.#builder.wanted(snapshot), snapshot.plan.balancing.drainMs);
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
      this.#topology = this.#builder.build(snapshot, this.#topology);
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

  #topologyUnder(decision: Decision): Topology {
    let topology = this.#older.get(decision.plan);
    if (topology === undefined) {
      topology = this.#builder.buildUnder(decision.plan, this.#snapshot as Snapshot);
      this.#older.set(decision.plan, topology);
    }
    return topology;
  }

  #judge(nowMs: number): boolean {
    let isChanged = false;
    for (const pool of this.#topology?.pools ?? []) if (pool.judge(nowMs)) isChanged = true;
    return isChanged;
  }

  /** The first to connect, where nobody was connected, is published at once: calls are waiting. The others in the next turn. */
  #stateChanged(isReady: boolean): void {
    if (isReady && this.#topology?.pools.every((pool) => pool.connected.length === 0) === true) this.#flushNow();
    else this.#scheduleFlush();
  }

  #flushNow(): void {
    const nowMs = this.#link.host.clock.now();
    this.#flushedAtMs = nowMs;
    for (const pool of this.#topology?.pools ?? []) pool.refresh(nowMs);
    this.#older = new WeakMap();
    this.#publish();
  }

  #scheduleFlush(): void {
    if (this.#flush !== undefined || this.#lateFlush !== undefined) return;
    const { clock } = this.#link.host;
    const isLarge = this.#topology?.pools.some((pool) => pool.members.length > LARGE_POOL && pool.picker !== undefined);
    const dueInMs = isLarge === true ? this.#flushedAtMs + REFRESH_MS - clock.now() : 0;
    const run = (): void => {
      this.#flush = undefined;
      this.#lateFlush = undefined;
      this.#flushNow();
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
        isBehind: () => this.#flush !== undefined || this.#lateFlush !== undefined,
        topologyUnder: (decision) => this.#topologyUnder(decision),
      },
      snapshot,
      topology,
    );
    const state = isReady ? connectivity.READY : isPending ? connectivity.CONNECTING : connectivity.TRANSIENT_FAILURE;
    this.#helper.updateState(state, picker, isReady ? null : describeWaiting(host.service, topology));
  }
}
