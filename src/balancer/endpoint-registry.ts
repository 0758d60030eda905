import type { Instance } from '../discovery/source';
import type { Clock, Timer } from '../internal/clock';
import type { Endpoint } from './endpoint';
import type { EndpointLoad } from './load';
import { nextSlowStartStepMs, slowStartShare } from './slow-start';

const TICK_MS = 100;
/** Ticks without a running attempt after which the tick rests until the next attempt. */
const IDLE_TICKS = 100;
/** How long an endpoint's statistics are kept after it left, in case it returns. */
const RETENTION_MS = 60_000;

interface Entry {
  readonly endpoint: Endpoint;
  leftAtMs: number | undefined;
  /** When a channel first connected to it: the beginning of its slow start. */
  readySinceMs: number | undefined;
}

/** A channel's connection to an endpoint, as `inspect()` and `explain()` show it. */
export interface ConnectionView {
  readonly stateName: 'idle' | 'connecting' | 'ready' | 'transient-failure';
  readonly failure: string | undefined;
}

/** Told after a tick in which some endpoints changed how they should be treated. */
export type EndpointsChanged = (changed: readonly Endpoint[]) => void;

/**
 * The endpoints of one service in one lane: identity and statistics, shared by all of its channels. Runs the one shared
 * tick, only while attempts are out.
 */
export class EndpointRegistry {
  readonly #clock: Clock;
  readonly #createLoad: () => EndpointLoad;
  readonly #entries = new Map<string, Entry>();
  /** Discovery keeps the object of an unchanged instance, which saves building its key again. */
  readonly #byInstance = new WeakMap<Instance, Endpoint>();
  readonly #listeners = new Set<EndpointsChanged>();
  readonly #connections = new Map<Endpoint, Set<ConnectionView>>();
  #tick: Timer | undefined;
  #idleTicks = 0;
  #slowStartMs = 0;
  #slowStart: Timer | undefined;

  constructor(clock: Clock, createLoad: () => EndpointLoad) {
    this.#clock = clock;
    this.#createLoad = createLoad;
  }

  /** Takes over the instances of a new snapshot. Called by the service before its balancers hear of the snapshot. */
  sync(instances: Iterable<Instance>, slowStartMs: number): void {
    this.#slowStartMs = slowStartMs;
    const present = new Set<string>();
    for (const instance of instances) {
      const key = this.#byInstance.get(instance)?.key ?? endpointKey(instance);
      present.add(key);
      const entry = this.#entries.get(key);
      if (entry === undefined) {
        const endpoint = this.#create(key, instance);
        this.#entries.set(key, { endpoint, leftAtMs: undefined, readySinceMs: undefined });
        this.#byInstance.set(instance, endpoint);
      } else {
        this.#byInstance.set(instance, entry.endpoint);
        entry.leftAtMs = undefined;
        entry.endpoint.instance = instance;
      }
    }
    this.#weigh();
    const now = this.#clock.now();
    for (const [key, entry] of this.#entries) {
      if (present.has(key)) continue;
      entry.leftAtMs ??= now;
      entry.readySinceMs = undefined;
      if (now - entry.leftAtMs > RETENTION_MS && entry.endpoint.load.inFlight === 0) this.#entries.delete(key);
    }
  }

  /** The endpoint of an instance that was part of the last `sync`. */
  of(instance: Instance): Endpoint | undefined {
    return this.#byInstance.get(instance);
  }

  present(): Endpoint[] {
    return [...this.#entries.values()].filter((entry) => entry.leftAtMs === undefined).map((entry) => entry.endpoint);
  }

  subscribe(listener: EndpointsChanged): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A channel has opened a connection to the endpoint; the returned function tells that it let go. */
  attach(endpoint: Endpoint, connection: ConnectionView): () => void {
    const connections = this.#connections.get(endpoint) ?? new Set();
    this.#connections.set(endpoint, connections.add(connection));
    return () => {
      connections.delete(connection);
      if (connections.size === 0) this.#connections.delete(endpoint);
    };
  }

  /** A channel is connected to the endpoint. */
  connected(endpoint: Endpoint): void {
    const entry = this.#entries.get(endpoint.key);
    if (entry === undefined || entry.readySinceMs !== undefined) return;
    entry.readySinceMs = this.#clock.now();
    if (this.#slowStartMs > 0) this.#weigh();
  }

  connectionsTo(endpoint: Endpoint): readonly ConnectionView[] {
    return [...(this.#connections.get(endpoint) ?? [])];
  }

  /** Called when an attempt starts: keeps the tick going. */
  wake(): void {
    this.#idleTicks = 0;
    this.#tick ??= this.#clock.setRepeating(TICK_MS, () => this.#sweep());
  }

  close(): void {
    this.#tick?.cancel();
    this.#tick = undefined;
    this.#slowStart?.cancel();
    this.#slowStart = undefined;
    this.#listeners.clear();
  }

  /** Sets every weight in force, and comes back when a slow start takes its next step. */
  #weigh(): void {
    const now = this.#clock.now();
    const changed: Endpoint[] = [];
    let nextMs: number | undefined;
    for (const { endpoint, readySinceMs } of this.#entries.values()) {
      const ageMs = readySinceMs === undefined ? 0 : now - readySinceMs;
      const weight = endpoint.instance.weight * slowStartShare(ageMs, this.#slowStartMs);
      if (weight !== endpoint.weight) {
        endpoint.weight = weight;
        changed.push(endpoint);
      }
      const stepMs = readySinceMs === undefined ? undefined : nextSlowStartStepMs(ageMs, this.#slowStartMs);
      if (stepMs !== undefined && (nextMs === undefined || stepMs < nextMs)) nextMs = stepMs;
    }
    this.#slowStart?.cancel();
    this.#slowStart = nextMs === undefined ? undefined : this.#clock.setTimer(nextMs, () => this.#weigh());
    this.#tell(changed);
  }

  #create(key: string, instance: Instance): Endpoint {
    return {
      key,
      address: instance.address,
      port: instance.port,
      datacenter: instance.datacenter,
      instance,
      weight: instance.weight,
      load: this.#createLoad(),
    };
  }

  #tell(changed: readonly Endpoint[]): void {
    if (changed.length > 0) for (const listener of [...this.#listeners]) listener(changed);
  }

  #sweep(): void {
    const now = this.#clock.now();
    const changed: Endpoint[] = [];
    let inFlight = 0;
    for (const { endpoint } of this.#entries.values()) {
      inFlight += endpoint.load.inFlight;
      if (endpoint.load.sweep(now)) changed.push(endpoint);
    }
    this.#tell(changed);
    this.#idleTicks = inFlight === 0 ? this.#idleTicks + 1 : 0;
    if (this.#idleTicks >= IDLE_TICKS) {
      this.#tick?.cancel();
      this.#tick = undefined;
    }
  }
}

/** `datacenter/host:port`: what makes two instances the same endpoint. */
export function endpointKey(instance: Instance): string {
  const host = instance.address.includes(':') ? `[${instance.address}]` : instance.address;
  return `${instance.datacenter}/${host}:${instance.port}`;
}
