import type { Clock } from '../../base/clock';
import type { Decision, LaneDimensionPlan, LanesPlan, Plan, SubsetPlan } from '../plan';
import type { LaneLabels, LaneLookup } from './lane-lookup';
import { laneSubset } from './lane-plan';
import { type LaneValues, laneName } from './lane-values';

/** A lane that has instances. */
export interface Lane {
  /** `pr-42`; of several dimensions `pr-42, eu`. */
  readonly name: string;
  readonly values: LaneValues;
  readonly decision: Decision;
  /** Its numbers are the policy's own. */
  readonly subset: SubsetPlan;
  /** Wall-clock milliseconds from which it is no lane any more; undefined: it does not end. */
  readonly endsAtMs: number | undefined;
}

/** What is reached by values of the first dimensions. */
interface Node {
  /** Of the lane with these values and none of the later dimensions. */
  decision: Decision | undefined;
  /** Wall-clock milliseconds. Only where there is one dimension. */
  endsAtMs: number;
  /** By the value of the next dimension. */
  next: Map<string | undefined, Node> | undefined;
}

const NEVER = Number.POSITIVE_INFINITY;

/**
 * The lanes of one plan that have instances: which decision a call's labels lead to. Made when plan or instances change;
 * a call costs one look-up for each dimension, whatever the number of lanes, and leaves nothing behind.
 */
export class LaneTable implements LaneLookup {
  readonly plan: Plan;
  readonly #lanes: LanesPlan;
  readonly #dimensions: readonly LaneDimensionPlan[];
  readonly #by: string;
  readonly #root: Node = newNode();
  /** Of the one dimension that there mostly is. */
  readonly #nodes: Map<string | undefined, Node> | undefined;
  readonly #missing: Decision | undefined;
  readonly #endings: Endings | undefined;
  readonly #byName = new Map<string, Lane>();
  readonly #bySubset = new Map<string, Lane>();

  /**
   * `lanes`: those that have instances where calls are led. `beyond`: those that have some elsewhere, which only a force
   * names. Each may come several times.
   */
  constructor(plan: Plan, lanesOfPlan: LanesPlan, lanes: Iterable<LaneValues>, beyond: Iterable<LaneValues> = []) {
    const { dimensions } = lanesOfPlan;
    this.plan = plan;
    this.#lanes = lanesOfPlan;
    this.#dimensions = dimensions;
    this.#by = dimensions[0]?.by ?? '';
    const named = new Map<string, LaneValues>();
    for (const values of lanes) named.set(laneName(values), values);
    for (const [name, values] of named) this.#add(this.#laneOf(name, values, named));
    for (const values of beyond) {
      const name = laneName(values);
      const subset = laneSubset(name);
      if (!this.#bySubset.has(subset)) this.#bySubset.set(subset, this.#laneOf(name, values, named));
    }
    const [only] = dimensions;
    if (only === undefined || dimensions.length > 1) return;
    for (const [value, endsAtMs] of only.ends) childOf(this.#root, value).endsAtMs = endsAtMs;
    this.#nodes = this.#root.next ?? new Map();
    this.#endings = new Endings(this.#nodes.keys());
    this.#missing = only.strict ? lanesOfPlan.refusal : only.fallback;
  }

  /** Those that have instances, by name. */
  get lanes(): ReadonlyMap<string, Lane> {
    return this.#byName;
  }

  /** By the name of its subset, also one beyond where calls are led. */
  ofSubset(subset: string): Lane | undefined {
    return this.#bySubset.get(subset);
  }

  /** Where a call's lane leads to; undefined: it asks for none, or has none here, and the routes decide. */
  find(labels: LaneLabels, clock: Clock): Decision | undefined {
    if (this.#nodes === undefined) return this.#findCombination(labels, clock);
    const value = labels.get(this.#by);
    // Most calls have none: that much is inlined into the decision.
    return value === undefined || value === '' ? undefined : this.#findOne(this.#nodes, value, clock);
  }

  #findOne(nodes: ReadonlyMap<string | undefined, Node>, value: string, clock: Clock): Decision | undefined {
    if (this.#endings?.mayHave(value) === false) return this.#missing;
    const node = nodes.get(value);
    if (node === undefined) return this.#missing;
    if (node.endsAtMs !== NEVER && clock.wallNow() >= node.endsAtMs) return undefined;
    return node.decision ?? this.#missing;
  }

  /**
   * All values must be those of the instance. Where nobody has them dimensions are left out from the last one on, then
   * the fallback of the first one that the call asks for decides. A strict dimension is not left out.
   */
  #findCombination(labels: LaneLabels, clock: Clock): Decision | undefined {
    let node: Node | undefined = this.#root;
    let found: Decision | undefined;
    let asked: LaneDimensionPlan | undefined;
    let isStrict = false;
    for (let at = 0; at < this.#dimensions.length; at += 1) {
      const dimension = this.#dimensions[at] as LaneDimensionPlan;
      const value = currentValue(labels.get(dimension.by), dimension, clock);
      if (value !== undefined) asked ??= dimension;
      node = node?.next?.get(value);
      if (node?.decision !== undefined) {
        found = node.decision;
        isStrict = false;
      } else if (value !== undefined && dimension.strict) isStrict = true;
    }
    if (isStrict) return this.#lanes.refusal;
    return found ?? asked?.fallback;
  }

  #laneOf(name: string, values: LaneValues, named: ReadonlyMap<string, LaneValues>): Lane {
    const subset = laneSubset(name);
    const { chain, isStrict } = this.#chainOf(subset, values, named);
    const { template } = this.#lanes;
    const { breaker, subsetBreaker } = this.plan;
    const ends = values.flatMap((value, at) => this.#dimensions[at]?.ends.get(value ?? '') ?? []);
    return {
      name,
      values,
      decision: Object.freeze({ ...template, destination: { index: -1, subset, strict: isStrict, chain }, lane: name }),
      subset: {
        ...{ name: subset, tags: [], meta: {}, filter: undefined, fallback: chain[1], fallbackMaxPercentage: 100 },
        ...{ breaker, subsetBreaker },
      },
      endsAtMs: ends.length === 0 ? undefined : Math.min(...ends),
    };
  }

  #add(lane: Lane): void {
    const { name, values, subset } = lane;
    this.#byName.set(name, lane);
    this.#bySubset.set(subset.name, lane);
    let node = this.#root;
    const last = values.findLastIndex((value) => value !== undefined);
    for (const value of values.slice(0, last + 1)) node = childOf(node, value);
    node.decision = lane.decision;
  }

  /** The lane, then those with dimensions left out from the last one on, then the subsets that stand in for it. */
  #chainOf(
    subset: string,
    values: LaneValues,
    named: ReadonlyMap<string, LaneValues>,
  ): { readonly chain: readonly string[]; readonly isStrict: boolean } {
    const chain = [subset];
    const left = [...values];
    const first = values.findIndex((value) => value !== undefined);
    for (let at = left.length - 1; at >= first; at -= 1) {
      if (left[at] === undefined) continue;
      if (this.#dimensions[at]?.strict === true) return { chain, isStrict: true };
      left[at] = undefined;
      if (at > first && named.has(laneName(left))) chain.push(laneSubset(laneName(left)));
    }
    chain.push(...(this.#dimensions[first]?.chain ?? []));
    return { chain, isStrict: false };
  }
}

/** Places for each lane: so few share one that seven of eight values of nobody are told apart by their ends. */
const PLACES_PER_LANE = 8;

/**
 * How the names of lanes end, and how long they are: says of most values that no lane is called so, for less than a
 * look-up costs. In a chain of services most calls with a lane meet services that have no instance in it.
 */
class Endings {
  readonly #has: Uint8Array;
  readonly #mask: number;

  constructor(values: Iterable<string | undefined>) {
    const names = [...values].filter((value) => value !== undefined);
    const places = 2 ** Math.ceil(Math.log2(PLACES_PER_LANE * (names.length + 1)));
    this.#has = new Uint8Array(places);
    this.#mask = places - 1;
    for (const name of names) if (name.length >= ENDING) this.#has[placeOf(name, this.#mask)] = 1;
  }

  /** False: no lane is called so. */
  mayHave(value: string): boolean {
    return value.length < ENDING || this.#has[placeOf(value, this.#mask)] === 1;
  }
}

/** Characters that are looked at. */
const ENDING = 3;

function placeOf(value: string, mask: number): number {
  const { length } = value;
  const end = value.charCodeAt(length - 1) + 31 * value.charCodeAt(length - 2) + 961 * value.charCodeAt(length - 3);
  return (end + 29_791 * length) & mask;
}

function newNode(): Node {
  return { decision: undefined, endsAtMs: NEVER, next: undefined };
}

function childOf(node: Node, value: string | undefined): Node {
  node.next ??= new Map();
  let child = node.next.get(value);
  if (child === undefined) {
    child = newNode();
    node.next.set(value, child);
  }
  return child;
}

/** A label's value as a lane: undefined where it is empty, or has ended. */
export function currentValue(value: string | undefined, { ends }: LaneDimensionPlan, clock: Clock): string | undefined {
  if (value === undefined || value === '') return undefined;
  const endsAtMs = ends.size === 0 ? undefined : ends.get(value);
  return endsAtMs !== undefined && clock.wallNow() >= endsAtMs ? undefined : value;
}
