import type { Timer } from '../../base/clock';
import type { Snapshot } from '../../policy/membership/snapshot';
import type { Decision } from '../../policy/plan';
import {
  type ChannelControlHelper,
  type ChannelOptions,
  connectivity,
  GROUP_OPTION,
  type GrpcModule,
  LB_POLICY_NAME,
  LINK_ATTRIBUTE,
  type LoadBalancer,
  type LoadBalancerConstructor,
  type Metadata,
  type Picker,
  subchannelOptions,
} from '../grpc/grpc-js';
import { AttemptPool } from './attempts/attempt';
import type { BalancerContext, ChannelLink } from './context';
import { CopyPicker } from './copies/copy-picker';
import type { ChannelConnection } from './endpoints/connection';
import { ConnectionSet, type ConnectionSetListener } from './endpoints/connection-set';
import type { EndpointsObserver } from './endpoints/endpoint-registry';
import { createSubchannelSharer, GroupSubchannels, type ShareSubchannel } from './group-subchannels';
import { type PickerGroup, SnapshotPicker, waitingPicker } from './picker';
import { describeWaiting } from './tiers/refusal';
import type { Topology } from './tiers/topology';
import { TopologyBuilder } from './tiers/topology-builder';
/**
 * The load-balancing policy of this library, one object for each channel that is not idle: a member of the group of
 * channels that share their subchannels. Statistics live in the context and survive it.
 */
export function createBalancerClass(grpc: GrpcModule): LoadBalancerConstructor {
  const deps = { createMetadata: () => new grpc.Metadata(), share: createSubchannelSharer(grpc) };
  /** By what channels carry as their group; a channel without one is a group of its own. */
  const groups = new WeakMap<object, BalancerGroup>();
  return class GraylaneLoadBalancer implements LoadBalancer {
    readonly #helper: ChannelControlHelper;
    #member: GroupMember | undefined;
    #key: object | undefined;

    constructor(helper: ChannelControlHelper) {
      this.#helper = helper;
    }

    /** Called once for each spell between two idle ones; the group hears of later snapshots from its context. */
    updateAddressList(_endpoints: unknown, _config: unknown, options: ChannelOptions): boolean {
      const link = options[LINK_ATTRIBUTE] as ChannelLink | undefined;
      if (link === undefined) return false;
      if (this.#member !== undefined) return true;
      const key = (options[GROUP_OPTION] as object | undefined) ?? link;
      let group = groups.get(key);
      if (group === undefined) {
        group = new BalancerGroup(link.context, subchannelOptions(options), deps);
        groups.set(key, group);
      }
      this.#key = key;
      this.#member = group.join(this.#helper, link);
      return true;
    }

    exitIdle(): void {
      this.#member?.group.reconnect();
    }

    resetBackoff(): void {
      this.#member?.group.reconnect();
    }

    destroy(): void {
      const member = this.#member;
      if (member === undefined) return;
      this.#member = undefined;
      member.leave();
      if (member.group.isClosed && this.#key !== undefined) groups.delete(this.#key);
    }

    getTypeName(): string {
      return LB_POLICY_NAME;
    }
  };
}

/**
 * Above this size a pool that already serves is refreshed at most every `REFRESH_MS`, so that n connects do not cost
 * n^2.
 */
const LARGE_POOL = 256;
const REFRESH_MS = 50;
/** After this, instances that were lost no longer count as known. A little longer than the registry counts them. */
const LOST_MS = 60_500;

interface GroupDeps {
  readonly createMetadata: () => Metadata;
  readonly share: ShareSubchannel;
}

/**
 * What the channels have in common that grpc-js would give the same subchannels: one connection to each endpoint that
 * the plan of the newest snapshot can send calls to, and the topology that picks go by. A channel hears of a change
 * only when its state changes or its calls may wait; all others are picked by the new topology anyhow. Lives from the
 * first member to the last.
 */
class BalancerGroup implements EndpointsObserver, ConnectionSetListener {
  readonly context: BalancerContext;
  readonly attempts: AttemptPool;
  readonly createMetadata: () => Metadata;
  /** What pickers go by: set when published, and before the first picker is made. */
  snapshot: Snapshot | undefined = undefined;
  topology: Topology | undefined = undefined;
  readonly #members = new Set<GroupMember>();
  readonly #subchannels: GroupSubchannels;
  readonly #connections: ConnectionSet;
  readonly #builder: TopologyBuilder;
  readonly #unsubscribe: readonly (() => void)[];
  readonly #waitingReason = (): string => this.#describeWaiting();
  #snapshot: Snapshot | undefined;
  #topology: Topology | undefined;
  #older = new WeakMap<Snapshot['plan'], Topology>();
  #state: number = connectivity.CONNECTING;
  /** Why it is not READY, as of the last look. */
  #error: string | null = null;
  #flush: NodeJS.Immediate | undefined;
  #opening: NodeJS.Immediate | undefined;
  #lateFlush: Timer | undefined;
  #forgetLost: Timer | undefined;
  #flushedAtMs = Number.NEGATIVE_INFINITY;
  #rebuiltAtMs = Number.NEGATIVE_INFINITY;
  /** After the last member has left. A channel that comes then needs another group. */
  isClosed = false;

  /** `options`: those that the members' subchannels are made with. */
  constructor(context: BalancerContext, options: ChannelOptions, deps: GroupDeps) {
    this.context = context;
    this.attempts = new AttemptPool(context, deps.createMetadata);
    this.createMetadata = deps.createMetadata;
    this.#subchannels = new GroupSubchannels(this.#members, deps.share);
    this.#connections = new ConnectionSet(this.#subchannels, context, options, this);
    this.#builder = new TopologyBuilder(context, this.#connections, () => this.#openLanes());
    this.#unsubscribe = [
      context.endpoints.subscribe(this),
      context.state.subscribe((snapshot) => this.#update(snapshot)),
    ];
  }

  /** Connections have changed since pools were last refreshed. */
  get isBehind(): boolean {
    return this.#flush !== undefined || this.#lateFlush !== undefined;
  }

  /** The member is given its state and picker before this returns. */
  join(helper: ChannelControlHelper, link: ChannelLink): GroupMember {
    const member = new GroupMember(this, helper, link);
    this.#members.add(member);
    for (const subchannel of this.#subchannels.held) helper.addChannelzChild(subchannel.getChannelzRef());
    // The first member opens the connections: subchannels are made by a channel.
    if (this.#members.size === 1) this.#update(this.context.state.snapshot);
    else this.#tell(member);
    return member;
  }

  /** Called by the member itself. */
  leave(member: GroupMember): void {
    if (!this.#members.delete(member)) return;
    for (const subchannel of this.#subchannels.held) member.helper.removeChannelzChild(subchannel.getChannelzRef());
    if (this.#members.size === 0) this.#close();
  }

  /** Called at each call of a member, too. */
  reconnect(): void {
    if (this.#connections.unready.size > 0) this.#connections.reconnect();
  }

  #update(snapshot: Snapshot | undefined): void {
    if (this.#members.size === 0) return;
    if (snapshot !== undefined) {
      this.#snapshot = snapshot;
      this.#connections.want(this.#builder.wanted(snapshot), snapshot.plan.balancing);
    }
    this.#rebuild();
  }

  /** After the pick: connections are not opened within it. */
  #openLanes(): void {
    this.#opening ??= setImmediate(() => {
      this.#opening = undefined;
      this.#update(this.#snapshot);
    });
  }

  #close(): void {
    this.isClosed = true;
    if (this.#opening !== undefined) clearImmediate(this.#opening);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    if (this.#flush !== undefined) clearImmediate(this.#flush);
    this.#lateFlush?.cancel();
    this.#forgetLost?.cancel();
    this.#connections.close();
    this.#builder.close();
  }

  /**
   * ConnectionSetListener. While many connections are opened, those that exist serve; looking at all of them after each
   * slice would cost n^2.
   */
  setGrew(isComplete: boolean): void {
    const isEarly = this.context.clock.now() - this.#rebuiltAtMs < REFRESH_MS;
    if (isComplete || !isEarly || !this.#isLarge) this.#rebuild();
  }

  /** It serves with a pool whose refresh takes long. */
  get #isLarge(): boolean {
    const pools = this.#topology?.pools ?? [];
    return pools.some((pool) => pool.members.length > LARGE_POOL && pool.picker !== undefined);
  }

  #rebuild(): void {
    this.#rebuiltAtMs = this.context.clock.now();
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
    const { clock, endpoints } = this.context;
    this.#forgetLost?.cancel();
    const isAnyLost = endpoints.turnover().lost.length > 0;
    this.#forgetLost = isAnyLost ? clock.setTimer(LOST_MS, () => this.#rebuild()) : undefined;
  }

  /** The topology of a plan other than the current one, for calls that were decided before a swap. */
  topologyUnder(decision: Decision): Topology {
    let topology = this.#older.get(decision.plan);
    if (topology === undefined) {
      topology = this.#builder.buildUnder(decision.plan, this.#snapshot as Snapshot);
      this.#older.set(decision.plan, topology);
    }
    return topology;
  }

  /** EndpointsObserver */
  judge(nowMs: number): boolean {
    this.#connections.look(nowMs);
    const { endpoints } = this.context;
    let isChanged = false;
    for (const pool of this.#topology?.pools ?? []) {
      if (pool.judge(nowMs, (endpoint) => endpoints.failed(endpoint, pool.breakerPlan))) isChanged = true;
    }
    return isChanged;
  }

  /**
   * ConnectionSetListener. The first to connect, where nobody was connected, is published as soon as its peer's settings can be read, in the
   * same turn: calls are waiting. The others in the next turn.
   */
  stateChanged({ isReady }: ChannelConnection): void {
    const isFirst = isReady && this.#topology?.pools.every((pool) => pool.connected.length === 0) === true;
    this.endpointsChanged();
    if (isFirst) queueMicrotask(() => this.#flushNow());
  }

  #flushNow(): void {
    const nowMs = this.context.clock.now();
    this.#flushedAtMs = nowMs;
    for (const pool of this.#topology?.pools ?? []) pool.refresh(nowMs);
    this.#older = new WeakMap();
    this.#publish();
  }

  /** EndpointsObserver */
  endpointsChanged(): void {
    if (this.#flush !== undefined || this.#lateFlush !== undefined) return;
    const { clock } = this.context;
    const dueInMs = this.#isLarge ? this.#flushedAtMs + REFRESH_MS - clock.now() : 0;
    const run = (): void => {
      this.#flush = undefined;
      this.#lateFlush = undefined;
      this.#flushNow();
    };
    if (dueInMs > 0) this.#lateFlush = clock.setTimer(dueInMs, run);
    else this.#flush = setImmediate(run);
  }

  /** Has picks go by what is known now, and tells those members that must know of it. */
  #publish(): void {
    const snapshot = this.#snapshot;
    const topology = this.#topology;
    if (snapshot !== undefined && topology !== undefined) {
      this.snapshot = snapshot;
      this.topology = topology;
      const isReady = topology.pools.some((pool) => pool.picker !== undefined);
      const isPending = !isReady && topology.pools.some((pool) => pool.isPending);
      this.#state = isReady ? connectivity.READY : isPending ? connectivity.CONNECTING : connectivity.TRANSIENT_FAILURE;
      this.#error = isReady ? null : describeWaiting(this.context.service, topology);
    }
    for (const member of this.#members) if (this.#concerns(member)) this.#tell(member);
  }

  #concerns(member: GroupMember): boolean {
    return member.state !== this.#state || member.picker?.hasWaiting !== false;
  }

  #tell(member: GroupMember): void {
    const state = this.#state;
    const { link } = member;
    member.state = state;
    link.isReady = state === connectivity.READY;
    link.waitingReason = this.#waitingReason;
    if (this.#topology !== undefined) member.picker ??= this.#pickerFor(link);
    if (member.picker !== undefined) member.picker.hasWaiting = false;
    const picker: Picker = member.picker ?? waitingPicker;
    member.helper.updateState(state, picker, this.#error);
  }

  #pickerFor({ isForCopies }: ChannelLink): GroupPicker {
    return isForCopies ? new CopyPicker(this as PickerGroup) : new SnapshotPicker(this as PickerGroup);
  }

  #describeWaiting(): string {
    const context = this.context;
    const topology = this.#topology;
    if (topology === undefined) return context.state.pendingReason();
    const staleness = context.state.staleness();
    return `${describeWaiting(context.service, topology)}${staleness === undefined ? '' : `; ${staleness}`}`;
  }
}

interface GroupPicker extends Picker {
  /** Some call of the channel may wait to be picked again: grpc-js does that only when it is given a picker. */
  hasWaiting: boolean;
}

/** One channel of a group, between two idle spells. */
class GroupMember {
  readonly group: BalancerGroup;
  readonly helper: ChannelControlHelper;
  readonly link: ChannelLink;
  /** What the channel was last told; undefined before the first time. */
  state: number | undefined = undefined;
  /** Undefined until something is known. */
  picker: GroupPicker | undefined = undefined;

  constructor(group: BalancerGroup, helper: ChannelControlHelper, link: ChannelLink) {
    this.group = group;
    this.helper = helper;
    this.link = link;
  }

  leave(): void {
    this.link.isReady = false;
    this.link.waitingReason = undefined;
    this.group.leave(this);
  }
}
