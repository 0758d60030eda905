import type { Instance } from '../../base/instances';
import { laneSubset } from '../lanes/lane-plan';
import { LaneTable } from '../lanes/lane-table';
import { type LaneValues, laneName, laneOf } from '../lanes/lane-values';
import type { LanesPlan, Plan } from '../plan';
import { datacenterOrder, type Whereabouts } from './datacenter-order';

/** The lane that an instance is in. */
interface LaneMembership {
  readonly subset: string;
  readonly values: LaneValues;
  /** The port that the lane dials; undefined: as discovery gave it. */
  readonly port: string | undefined;
}

/** Finds the lanes of instances, and remembers which lanes there are. */
export class LaneFinder {
  readonly #plan: Plan;
  readonly #lanes: LanesPlan;
  readonly #reached: ReadonlySet<string>;
  readonly #found: LaneValues[] = [];
  readonly #beyond: LaneValues[] = [];

  /** Instances in datacenters that no call is led to make no lane, but for a force that names one of them. */
  constructor(plan: Plan, lanes: LanesPlan, whereabouts: Whereabouts) {
    this.#plan = plan;
    this.#lanes = lanes;
    this.#reached = new Set(datacenterOrder(plan, whereabouts));
  }

  /** Undefined: it is in none. */
  laneOf(instance: Instance): LaneMembership | undefined {
    const { dimensions } = this.#lanes;
    const values = laneOf(instance, dimensions);
    if (values === undefined) return undefined;
    const first = values.findIndex((value) => value !== undefined);
    return { values, subset: laneSubset(laneName(values)), port: dimensions[first]?.port };
  }

  /** The lane has an instance there. */
  add({ values }: LaneMembership, datacenter: string): void {
    (this.#reached.has(datacenter) ? this.#found : this.#beyond).push(values);
  }

  /** Of all that were added. */
  table(): LaneTable {
    return new LaneTable(this.#plan, this.#lanes, this.#found, this.#beyond);
  }
}
