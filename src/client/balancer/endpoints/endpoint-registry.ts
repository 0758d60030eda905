import type { Clock, Timer } from '../../../base/clock';
import { hostAndPort } from '../../../base/host-and-port';
import { HEALTH_RANK, type Instance } from '../../../base/instances';
import type { BreakerPlan } from '../../../policy/plan';
import type { Breaker } from '../../breaker/breaker';
import { FailureShares } from '../../breaker/outlier/failure-shares';
import type { BreakerRegistry } from '../../breaker/registry';
import type { StallDetector } from '../../breaker/stall';
import { Methods } from '../attempts/methods';
import { type CheckableConnection, HealthChecks } from '../probes/health-checks';
import type { Endpoint } from './endpoint';
import { EndpointLoad } from './load';
import { Share } from './share';
import type { SessionView } from './subchannel-lease';
import { nextSlowStartStepMs, servingWeight, slowStartShare } from './weight';

const TICK_MS = 100;
/** Ticks without a running attempt after which the tick rests until the next attempt. */
const IDLE_TICKS = 100;
/** How long an endpoint's statistics are kept after it left, in case it returns. */
const RETENTION_MS = 60_000;
/** Streams and uploads probe when no better call has come for so long. */
const STREAMS_ONLY_MS = 60_000;

interface Entry {
  readonly endpoint: Endpoint;
  leftAtMs: number | undefined;
  /** The last `sync` that listed it. */
  listedIn: number;
  /** When it was first listed; long ago for those of the first answer. */
  joinedAtMs: number;
  /** When a channel first connected to it: the beginning of its slow start. */
  readySinceMs: number | undefined;
  /** As of the last `sync` that listed it. */
  isNodeFailed: boolean;
  /** It left for good; should it return, it is another one. */
  isForgotten: boolean;
}

/** A connection of a group of channels to an endpoint, as `inspect()` and `explain()` show it. */
export interface ConnectionView {
  /** State of the endpoint for one group of channels. */
  readonly stateName: 'idle' | 'connecting' | 'ready' | 'transient-failure';
  /** Why it could not be connected; undefined without a failure. */
  readonly failure: string | undefined;
  /** Its HTTP/2 connections. */
  readonly sessions: readonly SessionView[];
}

/** What a registry keeps of a channel's connection. */
type AttachedConnection = ConnectionView &
  CheckableConnection & {
    /** Pings its peer where it is connected. */
    prove(onProof: () => void): void;
  };

/** What goes by the endpoints of a registry. */
export interface EndpointsObserver {
  /** Some endpoints or subsets should be treated otherwise than before: suspicion, weight, breaker. */
  endpointsChanged(): void;
  /** Asked on each tick while attempts are out: true when it has changed how some endpoints should be treated. */
  judge(nowMs: number): boolean;
}

export interface Turnover {
  readonly lost: readonly Instance[];
  readonly joined: readonly Instance[];
}

/**
 * The endpoints of one service in one client: identity and statistics, shared by all of its channels. Runs the one shared
 * tick, only while attempts are out.
 */
export class EndpointRegistry {
  readonly #clock: Clock;
  readonly #breakers: BreakerRegistry;
  readonly #stall: StallDetector;
  readonly #entries = new Map<string, Entry>();
  /** Discovery keeps the object of an unchanged instance, which saves building its key again. */
  readonly #byInstance = new WeakMap<Instance, Entry>();
  /** Those that came or left lately, and some for which that is long ago. */
  readonly #recent = new Set<Entry>();
  readonly #observers = new Set<EndpointsObserver>();
  /** Find out whether half-open and doubtful endpoints are well. */
  readonly checks: HealthChecks;
  /** What a method does wherever it goes is not blamed on an endpoint. */
  readonly methods: Methods = new Methods();
  /** What all of them accepted and turned away lately. */
  readonly total: Share = new Share();
  readonly #connections = new Map<Endpoint, Set<AttachedConnection>>();
  #tick: Timer | undefined;
  #idleTicks = 0;
  #sweptAtMs = Number.NEGATIVE_INFINITY;
  #syncs = 0;
  #slowStartMs = 0;
  #slowStart: Timer | undefined;

  constructor(clock: Clock, breakers: BreakerRegistry, stall: StallDetector) {
    this.#clock = clock;
    this.#breakers = breakers;
    this.#stall = stall;
    const connectionsTo = (endpoint: Endpoint) => this.#connections.get(endpoint) ?? [];
    this.checks = new HealthChecks(clock, stall, connectionsTo, () => this.changed());
    breakers.subscribe((change) => {
      const endpoint = change.level === 'endpoint' ? this.#entries.get(change.key)?.endpoint : undefined;
      if (endpoint !== undefined) {
        const now = this.#clock.now();
        if (change.event === 'close') endpoint.load.forgive(now);
        this.checks.breakerChanged(endpoint, change, now);
      }
      this.changed();
    });
  }

  /**
   * The time as of the last attempt's start or end, or of the last tick: what picks go by, since they read no clock.
   */
  nowMs = 0;
  /** When the last attempt started whose call makes a good probe. */
  probeCallAtMs: number = Number.NEGATIVE_INFINITY;
  /** The tick does not run: the next attempt must call `wake`. */
  isResting = true;

  /**
   * Only streams and uploads come. One of them has to probe an ejected endpoint, or the endpoint would never return.
   */
  isStreamsOnly(nowMs: number): boolean {
    return nowMs - this.probeCallAtMs > STREAMS_ONLY_MS;
  }

  /** Takes over the instances of a new snapshot. Called by the service before its balancers hear of the snapshot. */
  sync(instances: Iterable<Instance>, slowStartMs: number): void {
    this.#slowStartMs = slowStartMs;
    this.#syncs += 1;
    const joinedAtMs = this.#entries.size === 0 ? Number.NEGATIVE_INFINITY : this.#clock.now();
    for (const instance of instances) {
      let entry = this.#byInstance.get(instance);
      if (entry === undefined || entry.isForgotten) {
        entry = this.#entryOf(instance, joinedAtMs);
        this.#byInstance.set(instance, entry);
      }
      // Listed under two services at one address: a subset of either may take it, and the healthier entry weighs.
      if (entry.listedIn === this.#syncs && isBetter(entry.endpoint.instance, instance)) continue;
      entry.listedIn = this.#syncs;
      entry.leftAtMs = undefined;
      entry.endpoint.instance = instance;
      if (entry.isNodeFailed !== (instance.isNodeFailed === true)) this.#nodeChanged(entry);
    }
    this.#weigh();
    const now = this.#clock.now();
    for (const [key, entry] of this.#entries) {
      if (entry.listedIn === this.#syncs) continue;
      if (entry.leftAtMs === undefined) this.#recent.add(entry);
      entry.leftAtMs ??= now;
      entry.readySinceMs = undefined;
      entry.isNodeFailed = false;
      if (now - entry.leftAtMs > RETENTION_MS && entry.endpoint.load.inFlight === 0) {
        entry.isForgotten = true;
        this.#entries.delete(key);
        this.#breakers.forget(key);
      }
    }
  }

  /** The endpoint of an instance that was part of the last `sync`. */
  of(instance: Instance): Endpoint | undefined {
    return this.#byInstance.get(instance)?.endpoint;
  }

  present(): Endpoint[] {
    return [...this.#entries.values()].filter((entry) => entry.leftAtMs === undefined).map((entry) => entry.endpoint);
  }

  /** Instances that left within the last 60 s, and those that came. */
  turnover(): Turnover {
    const since = this.#clock.now() - RETENTION_MS;
    const lost: Instance[] = [];
    const joined: Instance[] = [];
    for (const entry of this.#recent) {
      const { endpoint, leftAtMs, joinedAtMs } = entry;
      if ((leftAtMs ?? joinedAtMs) < since) this.#recent.delete(entry);
      else if (leftAtMs === undefined) joined.push(endpoint.instance);
      else lost.push(endpoint.instance);
    }
    return { lost, joined };
  }

  /** The endpoint's breaker, made now if this is its first failure. */
  failed(endpoint: Endpoint, plan: BreakerPlan): Breaker {
    if (endpoint.breaker === undefined) {
      const wellBefore = endpoint.shares.wellWithin(plan.rollingCountTimeoutMs, this.#clock.now());
      endpoint.breaker = this.#breakers.failed(endpoint.key, plan, wellBefore);
    }
    return endpoint.breaker;
  }

  /** Returns the function that ends it. */
  subscribe(observer: EndpointsObserver): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** A group of channels has opened a connection to the endpoint; the returned function tells that it let go. */
  attach(endpoint: Endpoint, connection: AttachedConnection): () => void {
    const connections = this.#connections.get(endpoint) ?? new Set();
    this.#connections.set(endpoint, connections.add(connection));
    return () => {
      connections.delete(connection);
      if (connections.size === 0) this.#connections.delete(endpoint);
    };
  }

  /** A channel is connected to the endpoint. */
  connected(endpoint: Endpoint): void {
    if (endpoint.breaker !== undefined) this.checks.look(endpoint, this.#clock.now());
    const entry = this.#entries.get(endpoint.key);
    if (entry === undefined || entry.readySinceMs !== undefined) return;
    entry.readySinceMs = this.#clock.now();
    if (this.#slowStartMs > 0) this.#weigh();
  }

  connectionsTo(endpoint: Endpoint): readonly ConnectionView[] {
    return [...(this.#connections.get(endpoint) ?? [])];
  }

  /** Starts the tick for an attempt that starts. */
  wake(nowMs: number): void {
    this.nowMs = nowMs;
    this.#idleTicks = 0;
    this.isResting = false;
    this.#stall.wake(nowMs);
    this.#tick ??= this.#clock.setRepeating(TICK_MS, () => this.#sweep());
  }

  close(): void {
    this.checks.close();
    this.#tick?.cancel();
    this.#tick = undefined;
    this.isResting = true;
    this.#slowStart?.cancel();
    this.#slowStart = undefined;
    this.#observers.clear();
  }

  /** Sets every weight in force, and comes back when a slow start takes its next step. */
  #weigh(): void {
    const now = this.#clock.now();
    let isChanged = false;
    let nextMs: number | undefined;
    for (const { endpoint, readySinceMs } of this.#entries.values()) {
      const ageMs = readySinceMs === undefined ? 0 : now - readySinceMs;
      const { share, capacity } = endpoint.load;
      const part = slowStartShare(ageMs, this.#slowStartMs) * share.factor * capacity.factor;
      const weight = servingWeight(endpoint.instance) * part;
      if (weight !== endpoint.weight) {
        endpoint.weight = weight;
        isChanged = true;
      }
      const stepMs = readySinceMs === undefined ? undefined : nextSlowStartStepMs(ageMs, this.#slowStartMs);
      if (stepMs !== undefined && (nextMs === undefined || stepMs < nextMs)) nextMs = stepMs;
    }
    this.#slowStart?.cancel();
    this.#slowStart = nextMs === undefined ? undefined : this.#clock.setTimer(nextMs, () => this.#weigh());
    if (isChanged) this.changed();
  }

  /**
   * The registry's word on the node: a connection whose peer answers is better evidence, so that is asked for at once.
   */
  #nodeChanged(entry: Entry): void {
    const { endpoint } = entry;
    entry.isNodeFailed = !entry.isNodeFailed;
    if (!entry.isNodeFailed) {
      endpoint.load.proven();
      return;
    }
    const now = this.#clock.now();
    endpoint.load.doubt(now);
    this.wake(now);
    for (const connection of this.#connections.get(endpoint) ?? []) {
      connection.prove(() => {
        endpoint.load.proven();
        this.changed();
      });
    }
  }

  #entryOf(instance: Instance, joinedAtMs: number): Entry {
    const key = endpointKey(instance);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const { address, port, datacenter } = instance;
    const entry: Entry = {
      endpoint: {
        ...{ key, address, port, datacenter, instance },
        weight: servingWeight(instance),
        load: new EndpointLoad(),
        shares: new FailureShares(),
        breaker: undefined,
        answeredAtMs: Number.NEGATIVE_INFINITY,
      },
      leftAtMs: undefined,
      listedIn: this.#syncs,
      joinedAtMs,
      readySinceMs: undefined,
      isNodeFailed: false,
      isForgotten: false,
    };
    this.#entries.set(key, entry);
    if (joinedAtMs > Number.NEGATIVE_INFINITY) this.#recent.add(entry);
    return entry;
  }

  /** Some endpoints, or subsets, should be treated otherwise than before. */
  changed(): void {
    for (const observer of [...this.#observers]) observer.endpointsChanged();
  }

  #sweep(): void {
    const now = this.#clock.now();
    const hasAttempts = this.nowMs !== this.#sweptAtMs;
    this.nowMs = now;
    this.#sweptAtMs = now;
    this.#stall.tick(now);
    let isChanged = false;
    let inFlight = 0;
    for (const { endpoint } of this.#entries.values()) {
      inFlight += endpoint.load.inFlight;
      if (endpoint.load.sweep(now)) isChanged = true;
      if (endpoint.breaker !== undefined) {
        endpoint.breaker.giveUpLateProbe(now);
        this.checks.look(endpoint, now);
      }
      if (endpoint.load.isSuspect) this.checks.lookAtSuspect(endpoint);
    }
    this.total.turn(now);
    let isMoved = false;
    for (const observer of this.#observers) if (observer.judge(now)) isMoved = true;
    if (isMoved) this.#weigh();
    if (isChanged || isMoved) this.changed();
    this.#idleTicks = inFlight === 0 && !hasAttempts ? this.#idleTicks + 1 : 0;
    if (this.#idleTicks >= IDLE_TICKS) {
      this.#tick?.cancel();
      this.#tick = undefined;
      this.isResting = true;
      this.#stall.rest();
    }
  }
}

function isBetter(one: Instance, other: Instance): boolean {
  return HEALTH_RANK[one.status] <= HEALTH_RANK[other.status] && one.weight > 0;
}

/** `datacenter/context:port`: what makes two instances the same endpoint. */
export function endpointKey(instance: Instance): string {
  return `${instance.datacenter}/${hostAndPort(instance.address, instance.port)}`;
}
