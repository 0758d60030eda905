import type { Clock, Timer } from '../../base/clock';
import type { Random } from '../../base/random';
import type { BreakerPlan, SubsetPlan } from '../../policy/plan';
import { Breaker } from './breaker';
import type { BreakerDeps } from './breaker-deps';
import { FallbackCaps } from './fallback-caps';
import type { Hold } from './hold';
import { ProbeTrickle, SingleProbe } from './probe-gate';
import type { BreakerRules } from './rules';
import { SubsetBreakers } from './subset-breakers';
import type { BreakerChange, BreakerLevel, BreakerView } from './view';

/** How long an endpoint's probe may keep the next one waiting. */
const PROBE_LEASE_MS = 5_000;
/** A half-open subset gets one call a second in each datacenter back, and closes when so many went well. */
const TRICKLE_MS = 1_000;
const TRICKLE_SUCCESSES = 3;
/** How often windows are rotated that nobody counts in any more. Those in use rotate when they are used. */
const ROTATE_MS = 1_000;

export interface BreakerRegistryDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Prefix of opossum names and name of the opossum group. */
  readonly service?: string;
  /** A listener threw: ours, or one on an opossum object that was handed out. Default: nobody is told. */
  readonly onListenerError?: (error: unknown) => void;
}

/** The numbers of a new plan. Endpoints are looked up one by one, as it depends on the subset that they are in. */
interface BreakerPlans {
  /** Undefined: keep what it has. */
  readonly endpoint: (key: string) => BreakerPlan | undefined;
  readonly subsets: ReadonlyMap<string, SubsetPlan>;
}

/** The breakers of one service in one Graylane client, shared by its channels. Synchronous; nothing here throws. */
export interface BreakerRegistry {
  /** How much of a subset's calls its fallback may be given. */
  readonly fallbackCaps: FallbackCaps;
  /** Undefined until the endpoint's first failure: it admits everything, and its permits are `NO_PERMIT`. */
  forEndpoint(key: string): Breaker | undefined;
  /** An attempt at the endpoint failed; the caller records the failure in what this returns. */
  failed(key: string, plan: BreakerPlan): Breaker;
  /** Made when first asked for; pools ask once and keep it. */
  forSubset(subset: SubsetPlan, datacenter: string): Breaker;
  /** Calls of this subset go to its fallback. Not to be asked for calls that have none: shedding needs somebody to shed to. */
  isShed(subset: string, datacenter: string, nowMs: number): boolean;
  /** One of its breakers is not closed, in any datacenter. Changes nothing. */
  isOpenAnywhere(subset: string): boolean;
  /** Keeps a subset shed in every datacenter until `letGo`; without effect for one that was never asked for. */
  hold(subset: string, hold: Hold): void;
  /** Its breakers close, in every datacenter, with empty windows. */
  letGo(subset: string): void;
  /** Breakers keep their state and their counts. Those of subsets that are gone are forgotten. */
  configure(plans: BreakerPlans): void;
  /** Called synchronously at each change; must not change breakers. Returns the way to stop. */
  subscribe(listener: (change: BreakerChange) => void): () => void;
  views(): readonly BreakerView[];
  /** opossum's own object of a subset's breaker, for exporters and dashboards: to read, to listen, to open and close by hand. */
  opossum(key: string): unknown;
  /** The endpoint has left for good. */
  forget(key: string): void;
  /** No timer stays. Breakers still held admit everything. Idempotent. */
  close(): void;
}

export function createBreakerRegistry(deps: BreakerRegistryDeps): BreakerRegistry {
  return new Registry(deps);
}

class Registry implements BreakerRegistry {
  readonly fallbackCaps = new FallbackCaps();
  readonly #deps: BreakerRegistryDeps;
  readonly #breakerDeps: BreakerDeps;
  readonly #endpoints = new Map<string, Breaker>();
  readonly #subsets: SubsetBreakers;
  readonly #listeners = new Set<(change: BreakerChange) => void>();
  /** Breakers with something in their window. */
  readonly #counting = new Set<Breaker>();
  #loop: Timer | undefined;
  #isClosed = false;

  constructor(deps: BreakerRegistryDeps) {
    this.#deps = deps;
    this.#breakerDeps = {
      clock: deps.clock,
      random: deps.random,
      changed: (breaker, event, from) => {
        this.#tell({ key: breaker.key, level: breaker.level, event, from, state: breaker.state });
        if (breaker.level === 'subset') this.#subsets.changed(breaker, event, from);
      },
      counted: (breaker) => this.#startCounting(breaker),
      listenerFailed: (error) => deps.onListenerError?.(error),
    };
    this.#subsets = new SubsetBreakers((key, plan) => this.#create('subset', key, plan.subsetBreaker));
  }

  forEndpoint(key: string): Breaker | undefined {
    return this.#endpoints.get(key);
  }

  failed(key: string, plan: BreakerPlan): Breaker {
    let breaker = this.#endpoints.get(key);
    if (breaker === undefined) {
      breaker = this.#create('endpoint', key, plan);
      this.#endpoints.set(key, breaker);
    }
    return breaker;
  }

  forSubset(subset: SubsetPlan, datacenter: string): Breaker {
    return this.#subsets.of(subset, datacenter);
  }

  isShed(subset: string, datacenter: string, nowMs: number): boolean {
    return this.#subsets.isShed(subset, datacenter, nowMs);
  }

  isOpenAnywhere(subset: string): boolean {
    return this.#subsets.isOpenAnywhere(subset);
  }

  hold(subset: string, hold: Hold): void {
    this.#subsets.hold(subset, hold);
  }

  letGo(subset: string): void {
    this.#subsets.letGo(subset);
  }

  configure(plans: BreakerPlans): void {
    for (const [key, breaker] of this.#endpoints) {
      const plan = plans.endpoint(key);
      if (plan !== undefined) breaker.configure(plan);
    }
    this.fallbackCaps.configure(plans.subsets);
    for (const breaker of this.#subsets.configure(plans.subsets)) this.#dispose(breaker);
  }

  subscribe(listener: (change: BreakerChange) => void): () => void {
    // Wrapped, so that one function subscribed twice is told twice and stops twice.
    const entry = (change: BreakerChange): void => listener(change);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  views(): readonly BreakerView[] {
    const nowMs = this.#deps.clock.now();
    return [...this.#subsets.all(), ...this.#endpoints.values()].map((breaker) => breaker.view(nowMs));
  }

  opossum(key: string): unknown {
    return this.#subsets.find(key)?.circuit;
  }

  forget(key: string): void {
    const breaker = this.#endpoints.get(key);
    if (breaker === undefined) return;
    this.#endpoints.delete(key);
    this.#dispose(breaker);
  }

  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
    for (const breaker of [...this.#subsets.all(), ...this.#endpoints.values()]) this.#dispose(breaker);
    this.#stopLoop();
  }

  #create(level: BreakerLevel, key: string, rules: BreakerRules): Breaker {
    const { service } = this.#deps;
    const name = service === undefined ? key : `${service}/${key}`;
    const gate =
      level === 'endpoint' ? new SingleProbe(PROBE_LEASE_MS) : new ProbeTrickle(TRICKLE_MS, TRICKLE_SUCCESSES);
    const breaker = new Breaker({ key, level, name, group: service ?? level }, rules, gate, this.#breakerDeps);
    // Asked for by an attempt that outlived the Graylane client.
    if (this.#isClosed) breaker.dispose();
    return breaker;
  }

  #dispose(breaker: Breaker): void {
    this.#counting.delete(breaker);
    breaker.dispose();
  }

  #startCounting(breaker: Breaker): void {
    this.#counting.add(breaker);
    this.#loop ??= this.#deps.clock.setRepeating(ROTATE_MS, () => this.#rotate());
  }

  #rotate(): void {
    const nowMs = this.#deps.clock.now();
    for (const breaker of this.#counting) if (!breaker.rotate(nowMs)) this.#counting.delete(breaker);
    if (this.#counting.size === 0) this.#stopLoop();
  }

  #stopLoop(): void {
    this.#loop?.cancel();
    this.#loop = undefined;
  }

  #tell(change: BreakerChange): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(change);
      } catch (error) {
        this.#deps.onListenerError?.(error);
      }
    }
  }
}
