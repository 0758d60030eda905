import type { Clock, Timer } from '../../../base/clock';
import type { Instance } from '../../../base/instances';
import type { Random } from '../../../base/random';
import type { BalancingPlan } from '../../../policy/plan';
import type { ChannelControlHelper, ChannelOptions } from '../../grpc/grpc-js';
import { Attempt } from '../attempts/attempt';
import type { BalancerContext } from '../context';
import { ChannelConnection, type ConnectionOwner } from './connection';
import type { Endpoint } from './endpoint';
import type { SubchannelLease } from './subchannel-lease';

/**
 * Subchannels cost 50 us and more each, and as much again in the same turn, when Node begins to connect: they are made
 * in slices of this length and size, so that calls go on in between.
 */
const SLICE_MS = 5;
const MOST_IN_SLICE = 32;
/**
 * The event loop handles in one turn whatever has come meanwhile, and handshakes cost several times that: while so many
 * are under way the next slice waits, unless that takes longer than handshakes do nearby.
 */
const MOST_UNDER_WAY = 64;
const LONGEST_REST_MS = 20;
const REST_MS = 1;
/** A first list of more is work enough for one turn by itself. */
const MANY = 128;
const UNAVAILABLE = 14;
const DRAINED = 'the endpoint has left discovery, and its time to drain is over (balancing.drainMs)';
/** How often a connection whose first packet was lost is tried again. */
const AFRESH_MS = 5_000;
/** How often further connections are looked at that may not be needed any more. */
const UNUSED_MS = 10_000;

export interface ConnectionSetListener {
  /** A connection changed its state. */
  stateChanged(connection: ChannelConnection): void;
  /** More of the wanted connections exist now; with `isComplete` all of them. */
  setGrew(isComplete: boolean): void;
}

/**
 * The connections of one channel, by endpoint. A wanted endpoint that was wanted before keeps its connection, also one
 * that comes back while calls are still running on it; new ones are opened before old ones are left.
 */
export class ConnectionSet implements ConnectionOwner {
  readonly helper: ChannelControlHelper;
  readonly options: ChannelOptions;
  readonly service: string;
  readonly authorityMetaKey: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlineMs: number;
  connectionsPerEndpoint = 1;
  readonly #context: BalancerContext;
  readonly #listener: ConnectionSetListener;
  readonly #connections = new Map<Endpoint, ChannelConnection>();
  /** Those of them that are not READY. */
  readonly unready: Set<ChannelConnection> = new Set();
  #lists = 0;
  readonly #detach = new Map<Endpoint, () => void>();
  #toOpen: Endpoint[] = [];
  #slice: NodeJS.Immediate | undefined;
  #rest: NodeJS.Timeout | undefined;
  #slicedAtMs = Number.POSITIVE_INFINITY;
  /** Connections that were left while calls ran on them, with what ends these calls (`drainMs`). */
  readonly #draining = new Map<Endpoint, { readonly connection: ChannelConnection; readonly end: Timer | undefined }>();
  #deadline: Timer | undefined;
  #afresh: Timer | undefined;
  #unused: Timer | undefined;
  /** Calls wait for a place. */
  #isAwaited = false;

  constructor(
    helper: ChannelControlHelper,
    context: BalancerContext,
    options: ChannelOptions,
    listener: ConnectionSetListener,
  ) {
    this.#context = context;
    this.#listener = listener;
    this.helper = helper;
    this.options = options;
    this.service = context.service;
    this.authorityMetaKey = context.authorityMetaKey;
    this.clock = context.clock;
    this.random = context.random;
    this.deadlineMs = context.state.connectDeadlineMs;
  }

  /** Replaces the wanted instances, in the order in which they are to be connected. Opens the first slice at once. */
  want(instances: Iterable<Instance>, { drainMs, connectionsPerEndpoint }: BalancingPlan): void {
    this.#lists += 1;
    this.connectionsPerEndpoint = connectionsPerEndpoint;
    const toOpen = new Set<Endpoint>();
    for (const instance of instances) {
      const endpoint = this.#context.endpoints.of(instance);
      if (endpoint === undefined) continue;
      const connection = this.#connections.get(endpoint) ?? this.#resume(endpoint);
      if (connection === undefined) toOpen.add(endpoint);
      else connection.wantedIn = this.#lists;
    }
    this.#toOpen = [...toOpen].reverse();
    if (this.#connections.size === 0 && toOpen.size > MANY) this.#scheduleSlice();
    else this.#openSlice();
    for (const [endpoint, connection] of this.#connections) {
      if (connection.wantedIn === this.#lists) {
        connection.followName();
        this.#note(connection);
        continue;
      }
      this.#connections.delete(endpoint);
      this.unready.delete(connection);
      this.#detach.get(endpoint)?.();
      this.#detach.delete(endpoint);
      this.#leave(connection, drainMs);
    }
  }

  /** No new calls; those under way go on, and are ended after `drainMs` where that is given. */
  #leave(connection: ChannelConnection, drainMs: number | undefined): void {
    const { endpoint } = connection;
    const end = drainMs === undefined ? undefined : this.clock.setTimer(drainMs, () => endCallsOn(connection));
    this.#draining.set(endpoint, { connection, end });
    connection.leave();
  }

  onDrained(connection: ChannelConnection): void {
    const draining = this.#draining.get(connection.endpoint);
    if (draining?.connection !== connection) return;
    draining.end?.cancel();
    this.#draining.delete(connection.endpoint);
  }

  /** The connection to an endpoint that is back before the last call on it has ended. */
  #resume(endpoint: Endpoint): ChannelConnection | undefined {
    const draining = this.#draining.get(endpoint);
    if (draining === undefined) return undefined;
    const { connection, end } = draining;
    end?.cancel();
    this.#draining.delete(endpoint);
    connection.resume();
    this.#add(connection);
    return connection;
  }

  /** The connections to these instances that exist, and how many are still to be opened. */
  to(instances: readonly Instance[]): { readonly members: readonly ChannelConnection[]; readonly missing: number } {
    const members: ChannelConnection[] = [];
    for (const instance of instances) {
      const endpoint = this.#context.endpoints.of(instance);
      const connection = endpoint === undefined ? undefined : this.#connections.get(endpoint);
      if (connection !== undefined) members.push(connection);
    }
    return { members, missing: this.#toOpen.length === 0 ? 0 : instances.length - members.length };
  }

  /** Those of the instances that there is a connection to. */
  among(instances: readonly Instance[]): readonly Instance[] {
    return instances.filter((instance) => {
      const endpoint = this.#context.endpoints.of(instance);
      return endpoint !== undefined && this.#connections.has(endpoint);
    });
  }

  /** On each tick of the endpoints' statistics: is somebody silent? */
  look(nowMs: number): void {
    if (this.#context.stall.isStalled(nowMs)) return;
    for (const connection of this.#connections.values()) connection.look(nowMs);
  }

  reconnect(): void {
    for (const connection of [...this.unready]) connection.reconnect();
  }

  close(): void {
    if (this.#slice !== undefined) clearImmediate(this.#slice);
    clearTimeout(this.#rest);
    this.#deadline?.cancel();
    this.#afresh?.cancel();
    this.#unused?.cancel();
    for (const { connection, end } of [...this.#draining.values()]) {
      end?.cancel();
      connection.close();
    }
    this.#draining.clear();
    this.#toOpen = [];
    for (const detach of this.#detach.values()) detach();
    this.#detach.clear();
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
    this.unready.clear();
  }

  #openSlice(): void {
    const { clock } = this;
    const started = clock.now();
    for (let opened = 0; opened < MOST_IN_SLICE && this.#toOpen.length > 0; opened += 1) {
      const endpoint = this.#toOpen.pop() as Endpoint;
      const connection = new ChannelConnection(endpoint, this);
      connection.wantedIn = this.#lists;
      this.#add(connection);
      if (clock.now() - started >= SLICE_MS) break;
    }
    this.#watchDeadline();
    const isDone = this.#toOpen.length === 0;
    this.#slicedAtMs = isDone ? Number.POSITIVE_INFINITY : clock.now();
    if (!isDone) this.#scheduleSlice();
  }

  #add(connection: ChannelConnection): void {
    const { endpoint } = connection;
    if (connection.isReady) this.#context.endpoints.connected(endpoint);
    this.#connections.set(endpoint, connection);
    this.#note(connection);
    this.#detach.set(endpoint, this.#context.endpoints.attach(endpoint, connection));
  }

  #scheduleSlice(): void {
    this.#slice ??= setImmediate(() => {
      this.#slice = undefined;
      if (this.#isCrowded()) {
        this.#rest ??= setTimeout(() => {
          this.#rest = undefined;
          this.#scheduleSlice();
        }, REST_MS);
        return;
      }
      this.#openSlice();
      this.#listener.setGrew(this.#toOpen.length === 0);
    });
  }

  #isCrowded(): boolean {
    if (this.clock.now() - this.#slicedAtMs >= LONGEST_REST_MS) return false;
    let underWay = 0;
    for (const { isPending } of this.unready) {
      if (isPending) underWay += 1;
      if (underWay >= MOST_UNDER_WAY) return true;
    }
    return false;
  }

  onChange(connection: ChannelConnection): void {
    if (connection.isReady) this.#context.endpoints.connected(connection.endpoint);
    this.#note(connection);
    this.#watchDeadline();
    this.#listener.stateChanged(connection);
  }

  onAwaited(): void {
    this.#isAwaited = true;
    this.#watchUnused();
    this.#context.endpoints.wake(this.clock.now());
  }

  onFreed(connection: ChannelConnection): void {
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    this.#listener.stateChanged(connection);
  }

  onAnsweringAgain({ endpoint }: ChannelConnection): void {
    this.#context.endpoints.checks.silenceOver(endpoint);
  }

  onReplaced(connection: ChannelConnection, former: SubchannelLease): void {
    const { endpoint } = connection;
    for (const attempt of endpoint.load.running()) if (attempt instanceof Attempt) attempt.leaveSilent(former);
    // What failed over the silent connection said nothing of the endpoint.
    endpoint.load.forgive(this.clock.now());
    this.onAnsweringAgain(connection);
  }

  /** One timer for all, while an endpoint has further connections. */
  #watchUnused(): void {
    this.#unused ??= this.clock.setTimer(UNUSED_MS, () => {
      this.#unused = undefined;
      let isAny = false;
      for (const connection of this.#connections.values()) if (connection.letGoUnused()) isAny = true;
      if (isAny) this.#watchUnused();
    });
  }

  #note(connection: ChannelConnection): void {
    if (connection.isReady) this.unready.delete(connection);
    else this.unready.add(connection);
  }

  /** One timer for all: set for the connection that has been pending longest. */
  #watchDeadline(): void {
    if (this.#deadline !== undefined) return;
    const since = this.#longestPending();
    if (since === undefined) return;
    const { clock } = this;
    const { connectDeadlineMs } = this.#context.state;
    const inMs = Math.max(0, since + connectDeadlineMs - clock.now());
    this.#deadline = clock.setTimer(inMs, () => {
      this.#deadline = undefined;
      const limit = clock.now() - connectDeadlineMs;
      for (const connection of [...this.unready]) {
        if (connection.isPending && connection.pendingSinceMs <= limit) {
          connection.giveUp(`not connected within ${connectDeadlineMs} ms`);
        }
      }
      this.#watchDeadline();
      this.#watchHanging();
    });
  }

  /** Those that were given up and still hang are tried afresh now and then, for as long as there are any. */
  #watchHanging(): void {
    if (this.#afresh !== undefined || ![...this.unready].some((each) => each.isHanging)) return;
    this.#afresh = this.clock.setTimer(AFRESH_MS, () => {
      this.#afresh = undefined;
      for (const connection of [...this.unready]) {
        connection.connectAfresh();
        this.#note(connection);
      }
      this.#watchHanging();
    });
  }

  #longestPending(): number | undefined {
    let earliest: number | undefined;
    for (const { isPending, pendingSinceMs } of this.unready) {
      if (isPending && (earliest === undefined || pendingSinceMs < earliest)) earliest = pendingSinceMs;
    }
    return earliest;
  }
}

/** Ends the calls on a connection whose endpoint has left discovery. */
function endCallsOn(connection: ChannelConnection): void {
  for (const attempt of connection.endpoint.load.running()) {
    if (attempt instanceof Attempt) attempt.abandon(connection, UNAVAILABLE, DRAINED);
  }
}
