import type { Plan } from '../plan';
import { LaneTable } from './lane-table';
import type { LaneValues } from './lane-values';

/**
 * Lanes for where no instances are known, as in simulations and tables of cases: those of `names`, or else those that
 * the policy ends. `a, eu` and `-, eu` name values of several dimensions. Undefined for a plan without lanes.
 */
export function assumedLanes(plan: Plan, names?: readonly string[]): LaneTable | undefined {
  const { lanes } = plan;
  if (lanes === undefined) return undefined;
  const { dimensions } = lanes;
  const isOne = dimensions.length === 1;
  const valuesOf = (name: string): LaneValues => {
    const parts = isOne ? [name] : name.split(',').map((part) => part.trim());
    return dimensions.map((_, at) => (parts[at] === undefined || parts[at] === '-' ? undefined : parts[at]));
  };
  const ended = dimensions.flatMap(({ ends }, at) =>
    [...ends.keys()].map((value): LaneValues => dimensions.map((_, index) => (index === at ? value : undefined))),
  );
  return new LaneTable(plan, lanes, names?.map(valuesOf) ?? ended);
}
