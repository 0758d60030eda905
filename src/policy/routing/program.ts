import { hashLabelOf, hasOwnHashLabels } from '../hash-labels';
import type { FaultPlan, LabelCondition, MatchPlan, Plan, RoutePlan } from '../plan';
import type { Labels } from './call';

/** Methods remembered for each plan. A client has as many as its stubs; beyond this something makes names up. */
const MAX_METHODS = 1_000;

/** A condition and where its label's value is kept while one decision is made. */
export interface ConditionStep {
  readonly condition: LabelCondition;
  readonly slot: number;
}

/** A match made ready for deciding: labels are known by slots. -1: there is none. */
export interface MatchStep {
  readonly match: MatchPlan | undefined;
  readonly labels: readonly ConditionStep[];
  readonly any: readonly (readonly ConditionStep[])[];
  readonly sampleSlot: number;
}

export interface RouteStep extends MatchStep {
  readonly route: RoutePlan;
  readonly stickSlot: number;
}

interface FaultStep extends MatchStep {
  readonly fault: FaultPlan;
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
  /** By subset the slot of its own hash label; undefined where all hash by the policy's. */
  readonly hashSlots: ReadonlyMap<string, number> | undefined;
  /** The policy's own faults. */
  readonly faults: readonly FaultStep[];
  readonly #keys: readonly string[];
  readonly #slots: ReadonlyMap<string, number>;
  readonly #steps: readonly RouteStep[];
  readonly #byMethod = new Map<string, RouteIndex>();
  readonly #values: (string | undefined)[];
  /** Which decision each value was looked up for: cheaper than clearing. */
  readonly #stamps: number[];
  #generation = 0;
  #labels: Labels | undefined;

  constructor(plan: Plan) {
    this.#keys = plan.labelKeys;
    this.#slots = new Map(plan.labelKeys.map((key, slot) => [key, slot]));
    const slotOf = (key: string | undefined): number => this.slotOf(key);
    const steps = (conditions: readonly LabelCondition[]): readonly ConditionStep[] =>
      conditions.map((condition) => ({ condition, slot: slotOf(condition.key) }));
    this.hashSlot = slotOf(plan.balancing.hashBy);
    this.hashSlots = hasOwnHashLabels(plan)
      ? new Map([...plan.subsets.keys()].map((subset) => [subset, slotOf(hashLabelOf(plan, subset))]))
      : undefined;
    const stepOf = (match: MatchPlan | undefined): MatchStep => ({
      match,
      labels: steps(match?.labels ?? []),
      any: (match?.any ?? []).map(steps),
      sampleSlot: slotOf(match?.sample?.by),
    });
    this.#steps = plan.routes
      .filter((route) => isFromCaller(route, plan))
      .map((route) => ({ route, ...stepOf(route.match), stickSlot: slotOf(route.split.stickBy) }));
    this.faults = (plan.faults ?? [])
      .filter((fault) => fault.route === undefined && isFromCaller(fault, plan))
      .map((fault) => ({ fault, ...stepOf(fault.match) }));
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
    const found = new RouteIndex(this.#steps.filter((step) => matchesMethod(step, method)));
    if (this.#byMethod.size >= MAX_METHODS) this.#byMethod.clear();
    this.#byMethod.set(method, found);
    return found;
  }

  /** Before each decision: whose labels {@link read} reads. Deciding is synchronous, one decision after the other. */
  begin(labels: Labels): void {
    this.#generation += 1;
    this.#labels = labels;
  }

  /** After each decision: a plan outlives its calls, and their channels. */
  end(): void {
    this.#labels = undefined;
  }

  /** The label in `slot`; undefined without one, and for slot -1. */
  read(slot: number): string | undefined {
    if (slot < 0) return undefined;
    if (this.#stamps[slot] === this.#generation) return this.#values[slot];
    const value = this.#labels?.get(this.#keys[slot] ?? '');
    this.#values[slot] = value;
    this.#stamps[slot] = this.#generation;
    return value;
  }
}

/** Whether the client that the plan is for is one of those whose calls the route takes. */
export function isFromCaller({ match }: Pick<RoutePlan, 'match'>, { caller }: Plan): boolean {
  return match?.from === undefined || (caller !== undefined && match.from.includes(caller));
}

/** Of the conditions of a match those on the method alone. */
export function matchesMethod({ match }: Pick<MatchStep, 'match'>, method: string): boolean {
  if (match === undefined) return true;
  if (match.path?.test(method) === false) return false;
  return match.methods === undefined || match.methods.has(method);
}

/** Routes that share a label with exact values; fewer are as quickly looked at one by one. */
const MIN_INDEXED = 4;
const END = Number.MAX_SAFE_INTEGER;
const NONE: readonly number[] = [];

/**
 * Which routes of a list a call can match at all, in order: those that want an exact value of some label are found by
 * that value, the rest is always looked at. So a thousand routes that differ by tenant cost about as much as one. Holds
 * the place of one walk at a time; deciding is synchronous.
 */
export class RouteIndex {
  readonly #steps: readonly RouteStep[];
  readonly #slots: readonly number[];
  /** For each of `#slots`: positions in `#steps` by the value that they want. */
  readonly #byValue: readonly ReadonlyMap<string, readonly number[]>[];
  /** What is being merged in this walk: the routes without a value, then one list for each slot. */
  readonly #lists: (readonly number[])[];
  readonly #cursors: number[];

  constructor(steps: readonly RouteStep[]) {
    this.#steps = steps;
    const slotOf = chooseSlots(steps);
    this.#slots = [...new Set(slotOf)].filter((slot) => slot >= 0);
    const byValue = this.#slots.map(() => new Map<string, number[]>());
    const always: number[] = [];
    steps.forEach((step, position) => {
      const slot = slotOf[position] ?? -1;
      const index = byValue[this.#slots.indexOf(slot)];
      if (index === undefined) {
        always.push(position);
        return;
      }
      for (const value of new Set(exactValues(step, slot))) {
        const positions = index.get(value);
        if (positions === undefined) index.set(value, [position]);
        else positions.push(position);
      }
    });
    this.#byValue = byValue;
    this.#lists = [always, ...byValue.map(() => NONE)];
    this.#cursors = this.#lists.map(() => 0);
  }

  /** Every route of the list, in order. */
  get all(): readonly RouteStep[] {
    return this.#steps;
  }

  /** Begins a walk for the call at hand. */
  start(program: RoutingProgram): void {
    this.#cursors[0] = 0;
    for (let at = 0; at < this.#slots.length; at += 1) {
      const value = program.read(this.#slots[at] as number);
      this.#lists[at + 1] = value === undefined ? NONE : (this.#byValue[at]?.get(value) ?? NONE);
      this.#cursors[at + 1] = 0;
    }
  }

  /** The next route that may match; undefined at the end. */
  next(): RouteStep | undefined {
    let nearest = END;
    let from = 0;
    for (let at = 0; at < this.#lists.length; at += 1) {
      const position = this.#lists[at]?.[this.#cursors[at] as number];
      if (position === undefined || position >= nearest) continue;
      nearest = position;
      from = at;
    }
    if (nearest === END) return undefined;
    this.#cursors[from] = (this.#cursors[from] as number) + 1;
    return this.#steps[nearest];
  }
}

/**
 * For each route the slot that it is found by, the one that most routes have an exact value of; -1: it is not indexed.
 */
function chooseSlots(steps: readonly RouteStep[]): readonly number[] {
  const counts = new Map<number, number>();
  for (const step of steps) {
    for (const slot of new Set(exactSlots(step))) counts.set(slot, (counts.get(slot) ?? 0) + 1);
  }
  return steps.map((step) => {
    let best = -1;
    let most = MIN_INDEXED - 1;
    for (const slot of exactSlots(step)) {
      const count = counts.get(slot) ?? 0;
      if (count > most) {
        best = slot;
        most = count;
      }
    }
    return best;
  });
}

function exactSlots(step: RouteStep): readonly number[] {
  return step.labels.filter(({ condition }) => condition.exact !== undefined).map(({ slot }) => slot);
}

function exactValues(step: RouteStep, slot: number): readonly string[] {
  return step.labels.find((each) => each.slot === slot && each.condition.exact !== undefined)?.condition.exact ?? [];
}
