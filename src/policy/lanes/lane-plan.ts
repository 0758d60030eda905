import type { PolicyDocument } from '../document';
import { parseTimestamp } from '../override';
import type { Decision, Destination, LaneDimensionPlan, LanesPlan } from '../plan';
import type { LaneDocument } from './lane-document';

/** The key of instance meta that a dimension goes by. */
export const LANE_META = 'lane';

/** What no subset is called, as names of subsets have no spaces. */
const PREFIX = 'lane ';

/** The subset of a lane, as tiers, reports, breakers and messages call it. */
export function laneSubset(lane: string): string {
  return PREFIX + lane;
}

/** Whether a subset is a lane's. */
export function isLaneSubset(subset: string): boolean {
  return subset.startsWith(PREFIX);
}

/** How metrics call a subset: all lanes are one, since anybody may make up the names of lanes. */
export function boundedSubset(subset: string): string {
  return isLaneSubset(subset) ? 'lane' : subset;
}

export function laneDimensions(document: Pick<PolicyDocument, 'lanes'>): readonly LaneDocument[] {
  const { lanes } = document;
  if (lanes === undefined) return [];
  return isList(lanes) ? lanes : [lanes];
}

/** `Array.isArray` does not narrow to read-only lists. */
function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

/** `decisionTo(undefined)` is the plan's default decision. `portOf`: of a subset. */
export function compileLanes(
  document: Pick<PolicyDocument, 'lanes'>,
  decisionTo: (subset: string | undefined) => Decision,
  portOf: (subset: string) => string | undefined,
): LanesPlan | undefined {
  const documents = laneDimensions(document);
  if (documents.length === 0) return undefined;
  const template: Decision = { ...decisionTo(undefined), by: 'lane', route: 'lane' };
  const nowhere: Destination = { index: -1, subset: 'lane', strict: true, chain: ['lane'] };
  const dimensions = documents.map((written): LaneDimensionPlan => {
    const { by, meta = LANE_META, fallback, strict = false, ends = {} } = written;
    const { destination } = decisionTo(fallback);
    return {
      by: by.toLowerCase(),
      meta,
      strict,
      fallback: fallback === undefined ? undefined : { ...template, destination },
      chain: strict ? [] : destination.chain,
      port: portOf(destination.subset),
      ends: new Map(Object.entries(ends).map(([lane, end]) => [lane, parseTimestamp(end) ?? Number.NEGATIVE_INFINITY])),
    };
  });
  return { dimensions, template, refusal: { ...template, destination: nowhere } };
}
