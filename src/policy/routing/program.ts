import type { LabelCondition, Plan, RoutePlan } from '../plan';
import type { Labels } from './call';
import { RouteIndex } from './route-index';

/** Methods remembered for each plan. A client has as many as its stubs; beyond this something makes names up. */
const MAX_METHODS = 1_000;

/** A condition and where its label's value is kept while one decision is made. */
export interface ConditionStep {
  readonly condition: LabelCondition;
  readonly slot: number;
}

/** A route made ready for deciding: labels are known by slots. -1: there is none. */
export interface RouteStep {
  readonly route: RoutePlan;
  readonly labels: readonly ConditionStep[];
  readonly any: readonly (readonly ConditionStep[])[];
  readonly sampleSlot: number;
  readonly stickSlot: number;
}

const programs = new WeakMap<Plan, RoutingProgram>();

/** Built at the first call under a plan, and gone with it. */
export function programOf(plan: Plan): RoutingProgram {
  const known = programs.get(plan);
  if (known !== undefined) return known;
  const built = new RoutingProgram(plan);
  programs.set(plan, built);
  return built;
}

/**
 * What deciding needs beside the plan: the routes that a method can match, and the values of the labels that were
 * looked up for the decision at hand, so that each is looked up once.
 */
export class RoutingProgram {
  readonly hashSlot: number;
  readonly #keys: readonly string[];
  readonly #slots: ReadonlyMap<string, number>;
  readonly #steps: readonly RouteStep[];
  readonly #byMethod = new Map<string, RouteIndex>();
  readonly #values: (string | undefined)[];
  /** Which decision each value was looked up for: cheaper than clearing, and safe should one decision ask for another. */
  readonly #stamps: number[];
  #generation = 0;

  constructor(plan: Plan) {
    this.#keys = plan.labelKeys;
    this.#slots = new Map(plan.labelKeys.map((key, slot) => [key, slot]));
    const slotOf = (key: string | undefined): number => this.slotOf(key);
    const steps = (conditions: readonly LabelCondition[]): readonly ConditionStep[] =>
      conditions.map((condition) => ({ condition, slot: slotOf(condition.key) }));
    this.hashSlot = slotOf(plan.balancing.hashBy);
    this.#steps = plan.routes.map((route) => ({
      route,
      labels: steps(route.match?.labels ?? []),
      any: (route.match?.any ?? []).map(steps),
      sampleSlot: slotOf(route.match?.sample?.by),
      stickSlot: slotOf(route.split.stickBy),
    }));
    this.#values = plan.labelKeys.map(() => undefined);
    this.#stamps = plan.labelKeys.map(() => 0);
  }

  /** Where the label's value is kept; -1 for one that the plan does not read. */
  slotOf(key: string | undefined): number {
    return key === undefined ? -1 : (this.#slots.get(key) ?? -1);
  }

  /** Routes whose methods include `method`, in order. */
  candidates(method: string): RouteIndex {
    return this.#byMethod.get(method) ?? this.#findCandidates(method);
  }

  /** Apart, since its closure would otherwise cost an object at every call. */
  #findCandidates(method: string): RouteIndex {
    const found = new RouteIndex(this.#steps.filter((step) => matchesMethod(step.route, method)));
    if (this.#byMethod.size >= MAX_METHODS) this.#byMethod.clear();
    this.#byMethod.set(method, found);
    return found;
  }

  /** A number for one decision, for {@link read}. */
  begin(): number {
    this.#generation += 1;
    return this.#generation;
  }

  /** The label in `slot`; undefined without one, and for slot -1. */
  read(slot: number, labels: Labels, generation: number): string | undefined {
    if (slot < 0) return undefined;
    if (this.#stamps[slot] === generation) return this.#values[slot];
    const value = labels.get(this.#keys[slot] ?? '');
    this.#values[slot] = value;
    this.#stamps[slot] = generation;
    return value;
  }
}

function matchesMethod({ match }: RoutePlan, method: string): boolean {
  if (match === undefined) return true;
  if (match.path?.test(method) === false) return false;
  return match.methods === undefined || match.methods.has(method);
}
