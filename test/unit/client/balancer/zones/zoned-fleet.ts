import { EventHeap } from '../../../../../benchmarks/fleet/event-heap';
import type { Instance } from '../../../../../src/base/instances';
import { type Random, seededRandom } from '../../../../../src/base/random';
import { AttemptLink } from '../../../../../src/client/balancer/attempts/attempt-link';
import { MethodTime } from '../../../../../src/client/balancer/attempts/methods';
import { ChannelConnection } from '../../../../../src/client/balancer/endpoints/connection';
import type { Pool } from '../../../../../src/client/balancer/tiers/pool';
import { ZonePreference } from '../../../../../src/client/balancer/zones/zone-preference';
import {
  type ChannelControlHelper,
  type ConnectivityStateListener,
  connectivity,
  type SubchannelInterface,
} from '../../../../../src/client/grpc/grpc-js';
import { FakeClock } from '../../../../../src/client/testing/fake-clock';
import type { Algorithm } from '../../../../../src/policy/document';
import { endpointAt } from '../connections';
import { noBreaker, poolOf, quietDeps } from '../open-pool';

export interface ZonedFleetOptions {
  /** Zone of each instance; undefined: it has none. */
  readonly instances: readonly (string | undefined)[];
  readonly weights?: readonly number[];
  /** Zone of each client; undefined: not known. */
  readonly clients: readonly (string | undefined)[];
  readonly algorithm?: Algorithm;
  readonly prefers?: boolean;
  readonly hint?: Readonly<Record<string, number>>;
  readonly callsPerSecond?: number;
  readonly seed?: number;
}

/** What happened in a stretch of time. */
export interface ZonedWindow {
  /** Calls of each instance. */
  readonly calls: readonly number[];
  /** Share of the calls that left the zone of their client. */
  readonly crossing: number;
  /** The same of the clients of one zone. */
  crossingOf(zone: string): number;
}

interface Client {
  readonly zone: string | undefined;
  readonly connections: readonly ChannelConnection[];
  readonly preference: ZonePreference | undefined;
  pool: Pool;
}

interface Running {
  readonly connection: ChannelConnection;
  readonly attempt: AttemptLink;
}

const TICK_MS = 100;
const TOOK_MS = 10;

/** Subchannels that are READY until their instance dies. */
class Subchannels {
  readonly #listeners = new Map<number, Set<ConnectivityStateListener>>();
  readonly #states = new Map<number, number>();

  helperFor(index: number): ChannelControlHelper {
    const listeners = this.#listeners.get(index) ?? new Set<ConnectivityStateListener>();
    this.#listeners.set(index, listeners);
    const subchannel = {
      ref() {},
      unref() {},
      startConnecting() {},
      addConnectivityStateListener: (listener: ConnectivityStateListener) => listeners.add(listener),
      removeConnectivityStateListener: (listener: ConnectivityStateListener) => listeners.delete(listener),
      getRealSubchannel: () => ({}),
      getConnectivityState: () => this.#states.get(index) ?? connectivity.READY,
    } as unknown as SubchannelInterface;
    return { createSubchannel: () => subchannel } as unknown as ChannelControlHelper;
  }

  set(index: number, state: number): void {
    const before = this.#states.get(index) ?? connectivity.READY;
    this.#states.set(index, state);
    for (const listener of [...(this.#listeners.get(index) ?? [])]) {
      listener(undefined as unknown as SubchannelInterface, before, state, 0, 'connection refused');
    }
  }
}

/** Many clients, each with a real pool, real pickers and loads of its own, calling the instances of several zones in virtual time. */
export class ZonedFleet {
  readonly #options: ZonedFleetOptions;
  readonly #random: Random;
  readonly #clock = new FakeClock();
  readonly #subchannels = new Subchannels();
  readonly #clients: Client[] = [];
  readonly #running = new EventHeap<Running>();
  readonly #time = new MethodTime();
  readonly #deaths = new Set<number>();
  #critical = new Set<number>();
  #unlisted = new Set<number>();
  #nowMs = 0;
  #sweepAtMs = TICK_MS;

  constructor(options: ZonedFleetOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed ?? 1);
    for (const zone of options.clients) this.#clients.push(this.#open(zone));
  }

  /** Their connections fail, at every client. */
  kill(...instances: number[]): void {
    for (const index of instances) {
      this.#deaths.add(index);
      this.#subchannels.set(index, connectivity.TRANSIENT_FAILURE);
    }
    for (const client of this.#clients) client.pool.refresh(this.#nowMs);
  }

  revive(...instances: number[]): void {
    for (const index of instances) {
      this.#deaths.delete(index);
      this.#subchannels.set(index, connectivity.READY);
    }
    for (const client of this.#clients) client.pool.refresh(this.#nowMs);
  }

  /** Consul lists these as critical, and no others. */
  setCritical(...instances: number[]): void {
    this.#critical = new Set(instances);
    for (const client of this.#clients) this.#list(client);
  }

  /** Consul lists these, and no others. */
  setListed(...instances: number[]): void {
    this.#unlisted = new Set(this.#options.instances.keys());
    for (const index of instances) this.#unlisted.delete(index);
    for (const client of this.#clients) this.#list(client);
  }

  /** Calls at random moments for so long. */
  run(forMs: number): ZonedWindow {
    const { instances, callsPerSecond = 1_000 } = this.#options;
    const calls = instances.map(() => 0);
    const byZone = new Map<string | undefined, { calls: number; crossed: number }>();
    const endMs = this.#nowMs + forMs;
    while (this.#nowMs < endMs) {
      this.#nowMs += (-Math.log(1 - this.#random()) * 1_000) / callsPerSecond;
      this.#settle();
      const client = this.#clients[Math.floor(this.#random() * this.#clients.length)] as Client;
      const index = this.#call(client);
      calls[index] = (calls[index] ?? 0) + 1;
      const counted = byZone.get(client.zone) ?? { calls: 0, crossed: 0 };
      counted.calls += 1;
      if (instances[index] !== client.zone) counted.crossed += 1;
      byZone.set(client.zone, counted);
    }
    const all = [...byZone.values()];
    const sum = (of: (one: (typeof all)[number]) => number): number => all.reduce((total, one) => total + of(one), 0);
    return {
      calls,
      crossing: sum((one) => one.crossed) / sum((one) => one.calls),
      crossingOf: (zone) => {
        const counted = byZone.get(zone);
        return counted === undefined ? 0 : counted.crossed / counted.calls;
      },
    };
  }

  #call({ pool, connections }: Client): number {
    const hash = Math.floor(this.#random() * 2 ** 32);
    const picked = pool.picker?.pick({ random: this.#random, hash, tried: undefined });
    const index = connections.indexOf(picked as ChannelConnection);
    const connection = connections[index];
    if (connection === undefined || this.#deaths.has(index)) throw new Error('picked nobody, or a dead one');
    const attempt = new AttemptLink(this.#time);
    connection.endpoint.load.picked(false);
    connection.endpoint.load.attemptStarted(attempt, this.#nowMs);
    this.#running.push(this.#nowMs - Math.log(1 - this.#random()) * TOOK_MS, { connection, attempt });
    return index;
  }

  #settle(): void {
    for (;;) {
      const due = this.#running.dueBefore(Math.min(this.#nowMs, this.#sweepAtMs));
      if (due !== undefined) {
        const { connection, attempt } = due.value;
        this.#time.answered(due.atMs - attempt.startedAtMs, due.atMs);
        connection.endpoint.load.attemptResponded(attempt);
        connection.endpoint.load.attemptEnded(attempt, due.atMs, 'success');
      } else if (this.#sweepAtMs > this.#nowMs) {
        return;
      } else {
        for (const { connections, pool } of this.#clients) {
          let isChanged = false;
          for (const { endpoint } of connections) if (endpoint.load.sweep(this.#sweepAtMs)) isChanged = true;
          if (pool.judge(this.#sweepAtMs, noBreaker) || isChanged) pool.refresh(this.#sweepAtMs);
        }
        this.#sweepAtMs += TICK_MS;
      }
    }
  }

  #open(zone: string | undefined): Client {
    const { instances, weights, prefers = true, hint } = this.#options;
    const connections = instances.map((of, index) => {
      const endpoint = endpointAt(index, weights?.[index] ?? 1);
      endpoint.instance = { ...endpoint.instance, zone: of };
      const helper = this.#subchannels.helperFor(index);
      return new ChannelConnection(endpoint, quietDeps({ helper, clock: this.#clock, random: this.#random }));
    });
    const preference = prefers ? new ZonePreference(() => zone, hint) : undefined;
    const client = { zone, connections, preference, pool: undefined as unknown as Pool };
    this.#list(client);
    return client;
  }

  /** As a topology builder does it with a new snapshot. */
  #list(client: Client): void {
    const { connections, preference } = client;
    const isListed = (_: unknown, index: number): boolean => !this.#unlisted.has(index);
    const isUsable = (_: unknown, index: number): boolean => isListed(_, index) && !this.#critical.has(index);
    const members = connections.filter(isUsable);
    const asListed = (of: readonly ChannelConnection[]): readonly Instance[] =>
      of.map(({ endpoint }) => endpoint.instance);
    const unusable = connections.filter((each, index) => isListed(each, index) && !isUsable(each, index));
    preference?.list({ usable: asListed(members), unusable: asListed(unusable), lost: [], joined: [] });
    const { algorithm = 'peak_ewma' } = this.#options;
    client.pool = poolOf(members, {
      algorithm,
      random: this.#random,
      nowMs: this.#nowMs,
      absent: unusable.length,
      zones: preference,
    });
  }
}

/** So many names of each: `{ a: 2, b: 1 }` is a, a, b. */
export function repeat(counts: Readonly<Record<string, number>>): string[] {
  return Object.entries(counts).flatMap(([name, count]) => Array.from({ length: count }, () => name));
}

/** The busiest by the average one, among those that are given. */
export function maxToMean(calls: readonly number[]): number {
  return (Math.max(...calls) * calls.length) / calls.reduce((sum, each) => sum + each, 0);
}
