import type { Clock, Timer } from '../../base/clock';
import { Emitter, type Subscription } from '../../base/emitter';
import type { Random } from '../../base/random';
import type { BreakerPlan, SubsetPlan } from '../../policy/plan';
import { Breaker, type BreakerContext } from './breaker';
import { FallbackCaps } from './fallback-caps';
import type { BreakerRules } from './opening-rules';
import { ProbeTrickle, SingleProbe } from './probe-gate';
import { SubsetBreakers } from './subset-breakers';
import type { BreakerChange, BreakerLevel, BreakerView, ForcedOpen } from './view';

/** How long a probe of an endpoint may keep the next one waiting. */
const PROBE_LEASE_MS = 5_000;
/** A half-open subset gets one call a second in each datacenter, and closes when so many went well. */
const TRICKLE_MS = 1_000;
const TRICKLE_SUCCESSES = 3;
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

/** The breakers of one service in one client, shared by its channels. Synchronous; nothing here throws. */
export class BreakerRegistry {
  /** How many of a subset's calls its fallback may be given. */
  readonly fallbackCaps: FallbackCaps = new FallbackCaps();
  readonly #options: BreakerRegistryOptions;
  readonly #context: BreakerContext;
  readonly #endpoints = new Map<string, Breaker>();
  readonly #subsets: SubsetBreakers;
  readonly #changes: Emitter<BreakerChange>;
  /** Breakers with something in their window. */
  readonly #counting = new Set<Breaker>();
  #rotation: Timer | undefined;
  #isClosed = false;

  constructor(options: BreakerRegistryOptions) {
    this.#options = options;
    this.#changes = new Emitter((error) => options.onListenerError?.(error));
    this.#context = {
      clock: options.clock,
      random: options.random,
      onChange: (breaker, event, from) => {
        this.#changes.emit({ key: breaker.key, level: breaker.level, event, from, state: breaker.state });
        if (breaker.level === 'subset') this.#subsets.changed(breaker, event, from);
      },
      onFirstCount: (breaker) => this.#startCounting(breaker),
      onListenerError: (error) => options.onListenerError?.(error),
    };
    this.#subsets = new SubsetBreakers((key, plan) => this.#create('subset', key, plan.subsetBreaker));
  }

  /** Undefined until the endpoint's first failure: it admits everything, and its permits are `NO_PERMIT`. */
  forEndpoint(key: string): Breaker | undefined {
    return this.#endpoints.get(key);
  }

  /** An attempt at the endpoint failed; the caller records the failure in the breaker that this returns. */
  failed(key: string, plan: BreakerPlan): Breaker {
    let breaker = this.#endpoints.get(key);
    if (breaker === undefined) {
      breaker = this.#create('endpoint', key, plan);
      this.#endpoints.set(key, breaker);
    }
    return breaker;
  }

  /** Made when first asked for; pools ask once and keep it. */
  forSubset(subset: SubsetPlan, datacenter: string): Breaker {
    return this.#subsets.of(subset, datacenter);
  }

  /** Calls of this subset go to its fallback. Ask this only for a subset that has one. */
  isShed(subset: string, datacenter: string, nowMs: number): boolean {
    return this.#subsets.isShed(subset, datacenter, nowMs);
  }

  /** One of its breakers is not closed, in any datacenter. Changes nothing. */
  isOpenAnywhere(subset: string): boolean {
    return this.#subsets.isOpenAnywhere(subset);
  }

  /** Keeps a subset shed in every datacenter until `endForcedOpen`; without effect for one that was never asked for. */
  forceOpen(subset: string, forced: ForcedOpen): void {
    this.#subsets.forceOpen(subset, forced);
  }

  /** Its breakers close, in every datacenter, with empty windows. */
  endForcedOpen(subset: string): void {
    this.#subsets.endForcedOpen(subset);
  }

  /** Breakers keep their state and their counts. Those of subsets that are gone are forgotten. */
  configure(plans: BreakerPlans): void {
    for (const [key, breaker] of this.#endpoints) {
      const plan = plans.endpoint(key);
      if (plan !== undefined) breaker.configure(plan);
    }
    this.fallbackCaps.configure(plans.subsets);
    for (const breaker of this.#subsets.configure(plans.subsets)) this.#dispose(breaker);
  }

  /** Called synchronously at each change; must not change breakers. Returns the function that unsubscribes. */
  subscribe(listener: (change: BreakerChange) => void): Subscription {
    return this.#changes.subscribe(listener);
  }

  views(): readonly BreakerView[] {
    const nowMs = this.#options.clock.now();
    return [...this.#subsets.all(), ...this.#endpoints.values()].map((breaker) => breaker.view(nowMs));
  }

  /**
   * opossum's own object of a subset's breaker, for exporters and dashboards: to read, to listen, to open and close by
   * hand.
   */
  opossum(key: string): unknown {
    return this.#subsets.find(key)?.circuit;
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
    for (const breaker of [...this.#subsets.all(), ...this.#endpoints.values()]) this.#dispose(breaker);
    this.#stopRotation();
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

  #dispose(breaker: Breaker): void {
    this.#counting.delete(breaker);
    breaker.dispose();
  }

  #startCounting(breaker: Breaker): void {
    this.#counting.add(breaker);
    this.#rotation ??= this.#options.clock.setRepeating(ROTATE_MS, () => this.#rotate());
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
