import type { Clock, Timer } from '../../base/clock';
import { Emitter, type Subscription } from '../../base/emitter';
import type { Random } from '../../base/random';
import { hasStandIn } from '../../policy/destinations';
import type { BreakerPlan, SubsetPlan } from '../../policy/plan';
import { Breaker, type BreakerContext } from './breaker';
import { FallbackCap } from './fallback-cap';
import type { BreakerRules } from './opening-rules';
import { ProbeTrickle, SingleProbe } from './probe-gate';
import type { BreakerChange, BreakerEvent, BreakerLevel, BreakerState, BreakerView, ForcedOpen } from './view';

/** How long a probe of an endpoint may keep the next one waiting. */
const PROBE_LEASE_MS = 5_000;
/** A half-open subset gets one call a second in each datacenter, and closes when so many went well. */
const TRICKLE_MS = 1_000;
const TRICKLE_SUCCESSES = 3;
/** So many failures in one datacenter show that the subset itself is at fault, not the datacenter. */
const FAILURES_ANYWHERE = 10;
/** How often idle windows are rotated. Those in use rotate when they are used. */
const ROTATE_MS = 1_000;

export interface BreakerRegistryOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Prefix of opossum names and name of the opossum group. */
  readonly service?: string;
  /** A listener threw: one of `subscribe`, or one on an opossum object that was handed out. Default: ignored. */
  readonly onListenerError?: (error: unknown) => void;
}

/** The rules of a new plan. An endpoint's depend on the subset that it is in. */
interface BreakerPlans {
  /** Undefined: keep what it has. */
  readonly endpoint: (key: string) => BreakerPlan | undefined;
  readonly subsets: ReadonlyMap<string, SubsetPlan>;
}

/** A subset with its breakers, one in each datacenter. */
interface WatchedSubset {
  plan: SubsetPlan;
  readonly breakers: Map<string, Breaker>;
  /** Until one of its breakers closes. A breaker that is made meanwhile begins open. */
  isShedEverywhere: boolean;
  /** Set by its guard, for every datacenter, also for breakers that are made later. */
  forced: ForcedOpen | undefined;
}

/**
 * The breakers of one service in one client, shared by its channels. Synchronous; nothing here throws.
 *
 * When a subset's breaker opens on many failures, or a second one opens, all breakers of the subset open; from then on
 * each closes by its own probes. Only for a subset with a fallback: without one, its other datacenters are the failover.
 */
export class BreakerRegistry {
  readonly #options: BreakerRegistryOptions;
  readonly #context: BreakerContext;
  readonly #endpoints = new Map<string, Breaker>();
  readonly #subsets = new Map<string, WatchedSubset>();
  readonly #caps = new Map<string, FallbackCap>();
  readonly #changes: Emitter<BreakerChange>;
  /** Breakers with something in their window. */
  readonly #counting = new Set<Breaker>();
  #rotation: Timer | undefined;
  #isClosed = false;

  constructor(options: BreakerRegistryOptions) {
    const onListenerError = (error: unknown): void => options.onListenerError?.(error);
    this.#options = options;
    this.#changes = new Emitter(onListenerError);
    this.#context = {
      clock: options.clock,
      random: options.random,
      onChange: (breaker, event, from) => {
        this.#changes.emit({ key: breaker.key, level: breaker.level, event, from, state: breaker.state });
        if (breaker.level === 'subset') this.#subsetChanged(breaker, event, from);
      },
      onFirstCount: (breaker) => {
        this.#counting.add(breaker);
        this.#rotation ??= options.clock.setRepeating(ROTATE_MS, () => this.#rotate());
      },
      onListenerError,
    };
  }

  /** Undefined until the endpoint's first failure: it admits everything, and its permits are `NO_PERMIT`. */
  forEndpoint(key: string): Breaker | undefined {
    return this.#endpoints.get(key);
  }

  /**
   * An attempt at the endpoint failed; the caller records the failure in the breaker that this returns. `wellBefore`: so
   * many went well within the breaker's window, which begins with them.
   */
  failed(key: string, plan: BreakerPlan, wellBefore = 0): Breaker {
    let breaker = this.#endpoints.get(key);
    if (breaker === undefined) {
      breaker = this.#create('endpoint', key, plan);
      breaker.circuit.beginWith(wellBefore);
      this.#endpoints.set(key, breaker);
    }
    return breaker;
  }

  /** Made when first asked for; pools ask once and keep it. */
  forSubset(plan: SubsetPlan, datacenter: string): Breaker {
    let subset = this.#subsets.get(plan.name);
    if (subset === undefined) {
      subset = { plan, breakers: new Map(), isShedEverywhere: false, forced: undefined };
      this.#subsets.set(plan.name, subset);
    }
    return subset.breakers.get(datacenter) ?? this.#addTo(subset, datacenter);
  }

  /** Calls of this subset go to its fallback. Ask this only for a subset that has one. */
  isShed(name: string, datacenter: string, nowMs: number): boolean {
    const subset = this.#subsets.get(name);
    if (subset === undefined) return false;
    const breaker = subset.breakers.get(datacenter);
    if (breaker !== undefined) return !breaker.admits(nowMs);
    // Makes a breaker now, so that the time until its first probe begins.
    return (subset.isShedEverywhere || subset.forced !== undefined) && !this.#addTo(subset, datacenter).admits(nowMs);
  }

  /** One of its breakers is not closed, in any datacenter. Changes nothing. */
  isOpenAnywhere(subset: string): boolean {
    return [...(this.#subsets.get(subset)?.breakers.values() ?? [])].some(({ state }) => state !== 'closed');
  }

  /** How many of a subset's calls its fallback may be given; undefined: all of them. */
  fallbackCap(subset: string): FallbackCap | undefined {
    return this.#caps.get(subset);
  }

  /**
   * Keeps a subset shed in every datacenter until `endForcedOpen`, whatever its breakers have counted; without effect
   * for one that was never asked for.
   */
  forceOpen(name: string, forced: ForcedOpen): void {
    const subset = this.#subsets.get(name);
    if (subset === undefined) return;
    subset.forced = forced;
    for (const breaker of subset.breakers.values()) breaker.forceOpen(forced);
  }

  /** Its breakers close, in every datacenter, with empty windows, also those that had opened by themselves. */
  endForcedOpen(name: string): void {
    const subset = this.#subsets.get(name);
    if (subset?.forced === undefined) return;
    subset.forced = undefined;
    for (const breaker of subset.breakers.values()) breaker.endForcedOpen();
  }

  /** Breakers keep their state and their counts, caps their allowance. Those of subsets that are gone are forgotten. */
  configure({ endpoint, subsets }: BreakerPlans): void {
    for (const [key, breaker] of this.#endpoints) {
      const plan = endpoint(key);
      if (plan !== undefined) breaker.configure(plan);
    }
    for (const [name, subset] of this.#subsets) {
      const plan = subsets.get(name);
      if (plan !== undefined) subset.plan = plan;
      else this.#subsets.delete(name);
      for (const breaker of subset.breakers.values()) {
        if (plan === undefined) this.#dispose(breaker);
        else breaker.configure(plan.subsetBreaker);
      }
    }
    for (const name of this.#caps.keys()) if (!subsets.has(name)) this.#caps.delete(name);
    for (const [name, { fallback, fallbackMaxPercentage: percentage }] of subsets) {
      if (fallback === undefined || percentage >= 100) this.#caps.delete(name);
      else if (this.#caps.get(name)?.percentage !== percentage) this.#caps.set(name, new FallbackCap(percentage));
    }
  }

  /** Called synchronously at each change; must not change breakers. Returns the function that unsubscribes. */
  subscribe(listener: (change: BreakerChange) => void): Subscription {
    return this.#changes.subscribe(listener);
  }

  views(): readonly BreakerView[] {
    const nowMs = this.#options.clock.now();
    return [...this.#ofSubsets(), ...this.#endpoints.values()].map((breaker) => breaker.view(nowMs));
  }

  /**
   * opossum's own object of a subset's breaker, for exporters and dashboards: to read, to listen, to open and close by
   * hand.
   */
  opossum(key: string): unknown {
    return this.#ofSubsets().find((breaker) => breaker.key === key)?.circuit;
  }

  /** The endpoint has left for good. */
  forget(key: string): void {
    const breaker = this.#endpoints.get(key);
    if (breaker === undefined) return;
    this.#endpoints.delete(key);
    this.#dispose(breaker);
  }

  /** No timer stays. Breakers still in use admit everything. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#changes.clear();
    for (const breaker of [...this.#ofSubsets(), ...this.#endpoints.values()]) this.#dispose(breaker);
    this.#stopRotation();
  }

  #ofSubsets(): Breaker[] {
    return [...this.#subsets.values()].flatMap(({ breakers }) => [...breakers.values()]);
  }

  #create(level: BreakerLevel, key: string, rules: BreakerRules): Breaker {
    const { service } = this.#options;
    const name = service === undefined ? key : `${service}/${key}`;
    const gate =
      level === 'endpoint' ? new SingleProbe(PROBE_LEASE_MS) : new ProbeTrickle(TRICKLE_MS, TRICKLE_SUCCESSES);
    const breaker = new Breaker({ key, level, name, group: service ?? level }, rules, gate, this.#context);
    // Asked for by an attempt that outlived the client.
    if (this.#isClosed) breaker.dispose();
    return breaker;
  }

  #addTo(subset: WatchedSubset, datacenter: string): Breaker {
    const breaker = this.#create('subset', `${subset.plan.name}@${datacenter}`, subset.plan.subsetBreaker);
    subset.breakers.set(datacenter, breaker);
    if (subset.forced !== undefined) breaker.forceOpen(subset.forced);
    else if (subset.isShedEverywhere) breaker.open('the subset is shed in every datacenter');
    return breaker;
  }

  #subsetChanged(breaker: Breaker, event: BreakerEvent, from: BreakerState): void {
    const subset = [...this.#subsets.values()].find(({ breakers }) => [...breakers.values()].includes(breaker));
    if (subset === undefined) return;
    if (event === 'close') subset.isShedEverywhere = false;
    if (event !== 'open' || from !== 'closed' || subset.isShedEverywhere || subset.forced !== undefined) return;
    if (!hasStandIn(subset.plan)) return;
    const breakers = [...subset.breakers.values()];
    const bad = breakers.filter((other) => other.state !== 'closed');
    if (bad.length < 2 && breaker.circuit.tally().failures < FAILURES_ANYWHERE) return;
    subset.isShedEverywhere = true;
    for (const other of breakers) if (other.state === 'closed') other.open(`opened with ${breaker.key}`);
  }

  #dispose(breaker: Breaker): void {
    this.#counting.delete(breaker);
    breaker.dispose();
  }

  #rotate(): void {
    const nowMs = this.#options.clock.now();
    for (const breaker of this.#counting) if (!breaker.rotate(nowMs)) this.#counting.delete(breaker);
    if (this.#counting.size === 0) this.#stopRotation();
  }

  #stopRotation(): void {
    this.#rotation?.cancel();
    this.#rotation = undefined;
  }
}
