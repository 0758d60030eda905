import { systemClock } from '../../base/clock';
import type { Random } from '../../base/random';
import { assumedLanes } from '../../policy/lanes/assumed-lanes';
import type { LaneLookup } from '../../policy/lanes/lane-lookup';
import { destinationName } from '../../policy/places/destination';
import type { DecidedBy, Decision, Plan, RoutePlan } from '../../policy/plan';
import type { RoutingEnvironment, RoutingInput, RoutingOutcome } from '../../policy/routing/call';
import { decide } from '../../policy/routing/decide';

/** The outcome of many calls under a policy. Plain JSON; lists are in the policy's order. */
export interface SimulationReport {
  /** Consul service name. */
  readonly service: string;
  /** How many were decided. */
  readonly calls: number;
  /** Revision of the policy. */
  readonly revision: string;
  /** Shares by subset. */
  readonly subsets: readonly SimulatedShare[];
  /** Shares by route. */
  readonly routes: readonly SimulatedRoute[];
  /** Distinct values by which calls were sticky. */
  readonly stickyCallers: number;
  /** With a second policy: the outcome of the same calls under it. */
  readonly against: SimulatedChange | undefined;
}

/** The part of a subset. */
export interface SimulatedShare {
  /** Name of the subset. */
  readonly subset: string;
  /** Calls that it got. */
  readonly calls: number;
  /** Of all calls here, 0..100. */
  readonly percent: number;
}

/** The part of a route, and how it was divided. */
export interface SimulatedRoute {
  /** Name of the route, or `default`, `override` or `force`. */
  readonly route: string;
  /** What decided. */
  readonly by: DecidedBy;
  /** Calls that the route got. */
  readonly calls: number;
  /** Of all calls, 0..100. */
  readonly percent: number;
  /** `percent` is of this route's calls; `weighed` is what its split says. */
  readonly subsets: readonly (SimulatedShare & { readonly weighed: number | undefined })[];
}

/** What becomes of the same calls under another policy. */
export interface SimulatedChange {
  /** Revision of the other policy. */
  readonly revision: string;
  /** Shares by subset. */
  readonly subsets: readonly SimulatedShare[];
  /** Shares by route. */
  readonly routes: readonly SimulatedRoute[];
  /** Calls that go elsewhere, and the callers who are sticky among them. */
  readonly moved: { readonly calls: number; readonly percent: number; readonly stickyCallers: number };
  /** From where to where, most calls first. */
  readonly moves: readonly SimulatedMove[];
  /**
   * Sticky callers that left a subset whose share of the split did not shrink. No change of weights asked for their
   * move, so the split was reshuffled (a renamed route, another base, another `stickBy`). 0 is healthy.
   */
  readonly stickyCallersLost: number;
}

/** Calls that go elsewhere. */
export interface SimulatedMove {
  /** Where they went. */
  readonly from: { readonly route: string; readonly subset: string };
  /** Where they go. */
  readonly to: { readonly route: string; readonly subset: string };
  /** How many. */
  readonly calls: number;
  /** How many callers who are sticky are among them. */
  readonly stickyCallers: number;
}

/** The lanes of a plan that have instances. */
export type LanesOf = (plan: Plan) => LaneLookup | undefined;

interface Move {
  readonly from: Decision;
  readonly to: Decision;
  calls: number;
  readonly callers: Set<string>;
}

/** Sends calls through one plan, or two, and counts where they go. Pure but for its random numbers. */
export class Simulation {
  readonly #service: string;
  readonly #before: Tally;
  readonly #after: Tally | undefined;
  readonly #moves = new Map<Decision, Map<Decision, Move>>();
  readonly #callers = new Set<string>();
  readonly #movedCallers = new Set<string>();
  readonly #lost = new Set<string>();
  #draw = -1;
  #calls = 0;
  #moved = 0;

  /**
   * `random`: for calls without a sticky value. Both plans get the same random number for the same call. `lanesOf`: the
   * lanes that have instances; default: those that the policy ends.
   */
  constructor(plan: Plan, against: Plan | undefined, random: Random, lanesOf: LanesOf = assumedLanes) {
    this.#service = plan.service;
    const draw = (): number => {
      if (this.#draw < 0) this.#draw = random();
      return this.#draw;
    };
    // The wall clock decides whether an override is in force.
    const tallyOf = (each: Plan): Tally => new Tally(each, { clock: systemClock, random: draw, lanes: lanesOf(each) });
    this.#before = tallyOf(plan);
    this.#after = against && tallyOf(against);
  }

  /** Decides one call by the code that decides real ones. */
  add(call: RoutingInput): void {
    this.#draw = -1;
    this.#calls += 1;
    const from = this.#before.decide(call);
    const caller = this.#before.callerOf(from, call);
    if (caller !== undefined) this.#callers.add(caller);
    if (this.#after === undefined) return;
    const to = this.#after.decide(call);
    if (destinationName(to.destination) === destinationName(from.destination)) return;
    this.#noteMove(from, to, caller ?? this.#after.callerOf(to, call), this.#after);
  }

  #noteMove(from: Decision, to: Decision, caller: string | undefined, after: Tally): void {
    this.#moved += 1;
    const targets = this.#moves.get(from) ?? new Map<Decision, Move>();
    const move = targets.get(to) ?? { from, to, calls: 0, callers: new Set() };
    this.#moves.set(from, targets.set(to, move));
    move.calls += 1;
    if (caller === undefined) return;
    move.callers.add(caller);
    this.#movedCallers.add(caller);
    const subset = destinationName(from.destination);
    if (after.shareOf(to, subset) >= this.#before.shareOf(from, subset)) this.#lost.add(caller);
  }

  report(): SimulationReport {
    const calls = this.#calls;
    const moves = [...this.#moves.values()].flatMap((targets) => [...targets.values()]);
    return {
      service: this.#service,
      calls,
      ...this.#before.report(calls),
      stickyCallers: this.#callers.size,
      against: this.#after && {
        ...this.#after.report(calls),
        moved: { calls: this.#moved, percent: percent(this.#moved, calls), stickyCallers: this.#movedCallers.size },
        moves: mergeMoves(moves),
        stickyCallersLost: this.#lost.size,
      },
    };
  }
}

/** Counts by decision. The number of decisions is bounded: one for each outcome of a route, and those of `force`. */
class Tally {
  readonly #plan: Plan;
  readonly #outcome: RoutingOutcome = { sticky: false, bucket: -1, hash: -1 };
  readonly #counts = new Map<Decision, number>();
  readonly #routes: ReadonlyMap<string, RoutePlan>;
  readonly #env: RoutingEnvironment;

  constructor(plan: Plan, env: RoutingEnvironment) {
    this.#plan = plan;
    this.#env = env;
    this.#routes = new Map(plan.routes.map((route) => [route.name, route]));
  }

  decide(call: RoutingInput): Decision {
    const decision = decide(this.#plan, call, this.#outcome, this.#env);
    this.#counts.set(decision, (this.#counts.get(decision) ?? 0) + 1);
    return decision;
  }

  /** The sticky value of the call that was just decided; undefined without one. */
  callerOf(decision: Decision, call: RoutingInput): string | undefined {
    if (!this.#outcome.sticky) return undefined;
    const stickBy = this.#routeOf(decision)?.split.stickBy;
    return call.stickyKey ?? (stickBy === undefined ? undefined : call.labels.get(stickBy));
  }

  /** Share that `subset` has where the decision was taken, 0..100. */
  shareOf(decision: Decision, subset: string): number {
    const route = this.#routeOf(decision);
    if (route === undefined) return destinationName(decision.destination) === subset ? 100 : 0;
    return (route.split.entries.find((entry) => entry.to === subset)?.buckets ?? 0) / 100;
  }

  report(calls: number): {
    readonly revision: string;
    readonly subsets: readonly SimulatedShare[];
    readonly routes: readonly SimulatedRoute[];
  } {
    const bySubset = new Map([...this.#plan.subsets.keys()].map((subset) => [subset, 0]));
    const byRoute = new Map<string, { by: DecidedBy; calls: number; subsets: Map<string, number> }>();
    for (const { name, split } of this.#plan.routes) {
      const subsets = new Map(split.entries.map((entry) => [entry.to, 0]));
      byRoute.set(`route ${name}`, { by: 'route', calls: 0, subsets });
    }
    for (const [{ by, route, destination }, count] of this.#counts) {
      const subset = destinationName(destination);
      bySubset.set(subset, (bySubset.get(subset) ?? 0) + count);
      const key = `${by} ${route}`;
      const found = byRoute.get(key) ?? { by, calls: 0, subsets: new Map<string, number>() };
      byRoute.set(key, found);
      found.calls += count;
      found.subsets.set(subset, (found.subsets.get(subset) ?? 0) + count);
    }
    return {
      revision: this.#plan.revision,
      subsets: sharesOf(bySubset, calls),
      routes: [...byRoute].map(([key, { by, calls: own, subsets }]) => {
        const route = key.slice(by.length + 1);
        const split = by === 'route' ? this.#routes.get(route)?.split.entries : undefined;
        return {
          route,
          by,
          calls: own,
          percent: percent(own, calls),
          subsets: sharesOf(subsets, own).map((share) => {
            const buckets = split?.find((entry) => entry.to === share.subset)?.buckets;
            return { ...share, weighed: buckets === undefined ? undefined : buckets / 100 };
          }),
        };
      }),
    };
  }

  #routeOf(decision: Decision): RoutePlan | undefined {
    return decision.by === 'route' ? this.#routes.get(decision.route) : undefined;
  }
}

function sharesOf(counts: ReadonlyMap<string, number>, of: number): SimulatedShare[] {
  return [...counts].map(([subset, calls]) => ({ subset, calls, percent: percent(calls, of) }));
}

/** Joins decisions that look the same in the report. */
function mergeMoves(moves: readonly Move[]): readonly SimulatedMove[] {
  const merged = new Map<string, Move>();
  for (const move of moves) {
    const key = [move.from, move.to]
      .map((end) => `${end.by}\n${end.route}\n${destinationName(end.destination)}`)
      .join('\n');
    const known = merged.get(key);
    if (known === undefined) merged.set(key, { ...move, callers: new Set(move.callers) });
    else {
      known.calls += move.calls;
      for (const caller of move.callers) known.callers.add(caller);
    }
  }
  return [...merged.values()]
    .sort((a, b) => b.calls - a.calls)
    .map(({ from, to, calls, callers }) => ({
      from: { route: from.route, subset: destinationName(from.destination) },
      to: { route: to.route, subset: destinationName(to.destination) },
      calls,
      stickyCallers: callers.size,
    }));
}

/** 0..100, to a hundredth. */
function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 10_000) / 100;
}
