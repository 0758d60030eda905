import type { SubsetPlan } from '../../policy/plan';
import type { Breaker } from './breaker';
import type { BreakerEvent, BreakerState, ForcedOpen } from './view';

/** So many failures in one datacenter show that the subset itself is at fault, not the datacenter. */
const FAILURES_ANYWHERE = 10;

interface Subset {
  plan: SubsetPlan;
  readonly breakers: Map<string, Breaker>;
  /** Until one of its breakers closes. A breaker that is made meanwhile begins open. */
  isShedEverywhere: boolean;
  /** Set by its guard, for every datacenter, also for breakers that are made later. */
  forced: ForcedOpen | undefined;
}

/**
 * The breakers of each subset, one in each datacenter. When one opens on many failures, or a second one opens, all
 * breakers of the subset open; from then on each closes by its own probes. Only for a subset with a fallback: without
 * one, its other datacenters are the failover.
 */
export class SubsetBreakers {
  readonly #subsets = new Map<string, Subset>();
  readonly #create: (key: string, plan: SubsetPlan) => Breaker;

  constructor(create: (key: string, plan: SubsetPlan) => Breaker) {
    this.#create = create;
  }

  of(plan: SubsetPlan, datacenter: string): Breaker {
    let subset = this.#subsets.get(plan.name);
    if (subset === undefined) {
      subset = { plan, breakers: new Map(), isShedEverywhere: false, forced: undefined };
      this.#subsets.set(plan.name, subset);
    }
    return subset.breakers.get(datacenter) ?? this.#add(subset, datacenter);
  }

  isShed(name: string, datacenter: string, nowMs: number): boolean {
    const subset = this.#subsets.get(name);
    if (subset === undefined) return false;
    const breaker = subset.breakers.get(datacenter);
    if (breaker !== undefined) return !breaker.admits(nowMs);
    // Makes a breaker now, so that the time until its first probe begins.
    return (subset.isShedEverywhere || subset.forced !== undefined) && !this.#add(subset, datacenter).admits(nowMs);
  }

  isOpenAnywhere(name: string): boolean {
    return [...(this.#subsets.get(name)?.breakers.values() ?? [])].some(({ state }) => state !== 'closed');
  }

  /** Keeps the subset shed in every datacenter, whatever its breakers have counted. */
  forceOpen(name: string, forced: ForcedOpen): void {
    const subset = this.#subsets.get(name);
    if (subset === undefined) return;
    subset.forced = forced;
    for (const breaker of subset.breakers.values()) breaker.forceOpen(forced);
  }

  /** Closes all of them with empty windows, also those that had opened by themselves. */
  endForcedOpen(name: string): void {
    const subset = this.#subsets.get(name);
    if (subset?.forced === undefined) return;
    subset.forced = undefined;
    for (const breaker of subset.breakers.values()) breaker.endForcedOpen();
  }

  /** Called after each change of state of one of these. */
  changed(breaker: Breaker, event: BreakerEvent, from: BreakerState): void {
    const subset = this.#subsetOf(breaker);
    if (subset === undefined) return;
    if (event === 'close') subset.isShedEverywhere = false;
    if (event !== 'open' || from !== 'closed' || subset.isShedEverywhere || subset.forced !== undefined) return;
    if (subset.plan.fallback === undefined) return;
    const breakers = [...subset.breakers.values()];
    const bad = breakers.filter((other) => other.state !== 'closed');
    if (bad.length < 2 && breaker.circuit.tally().failures < FAILURES_ANYWHERE) return;
    subset.isShedEverywhere = true;
    for (const other of breakers) if (other.state === 'closed') other.open(`opened with ${breaker.key}`);
  }

  find(key: string): Breaker | undefined {
    return this.all().find((breaker) => breaker.key === key);
  }

  all(): Breaker[] {
    return [...this.#subsets.values()].flatMap((subset) => [...subset.breakers.values()]);
  }

  /** Takes over the subsets of a new plan. Returns the breakers of subsets that are gone, for disposal. */
  configure(plans: ReadonlyMap<string, SubsetPlan>): Breaker[] {
    const gone: Breaker[] = [];
    for (const [name, subset] of this.#subsets) {
      const plan = plans.get(name);
      if (plan === undefined) {
        this.#subsets.delete(name);
        gone.push(...subset.breakers.values());
      } else {
        subset.plan = plan;
        for (const breaker of subset.breakers.values()) breaker.configure(plan.subsetBreaker);
      }
    }
    return gone;
  }

  #add(subset: Subset, datacenter: string): Breaker {
    const breaker = this.#create(`${subset.plan.name}@${datacenter}`, subset.plan);
    subset.breakers.set(datacenter, breaker);
    if (subset.forced !== undefined) breaker.forceOpen(subset.forced);
    else if (subset.isShedEverywhere) breaker.open('the subset is shed in every datacenter');
    return breaker;
  }

  #subsetOf(breaker: Breaker): Subset | undefined {
    for (const subset of this.#subsets.values()) {
      for (const other of subset.breakers.values()) if (other === breaker) return subset;
    }
    return undefined;
  }
}
