import type { Membership } from '../membership/membership';
import type { Plan } from '../plan';
import { laneSubset } from './lane-plan';
import { laneName } from './lane-values';

/** A lane of one service. Plain JSON. */
export interface LaneInspection {
  /** Its value; of several dimensions `a, eu`. */
  readonly lane: string;
  /** Instances in it, of all datacenters; 0 for one that the policy ends and nobody is in. */
  readonly instances: number;
  /** Those of them that may take calls. */
  readonly usable: number;
  /** When it ends, RFC 3339; undefined: it does not. */
  readonly ends: string | undefined;
  /** It is no lane any more: its calls go as calls without one, and its instances get none. */
  readonly isEnded: boolean;
}

/** The lanes that have instances, then those that the policy ends and nobody is in. */
export function inspectLanes(
  plan: Plan,
  membership: Membership | undefined,
  wallNowMs: number,
): readonly LaneInspection[] {
  const { dimensions = [] } = plan.lanes ?? {};
  const counts = new Map<string, { instances: number; usable: number; endsAtMs: number | undefined }>();
  for (const [lane, { endsAtMs }] of membership?.lanes?.lanes ?? []) {
    counts.set(lane, { instances: 0, usable: 0, endsAtMs });
  }
  for (const { isLane, subset, usable, unusable } of membership?.groups ?? []) {
    const found = isLane ? counts.get(subset.slice(laneSubset('').length)) : undefined;
    if (found === undefined) continue;
    found.instances += usable.length + unusable.length;
    found.usable += usable.length;
  }
  for (const [at, { ends }] of dimensions.entries()) {
    for (const [value, endsAtMs] of ends) {
      const lane = laneName(dimensions.map((_, index) => (index === at ? value : undefined)));
      if (!counts.has(lane)) counts.set(lane, { instances: 0, usable: 0, endsAtMs });
    }
  }
  return [...counts].map(([lane, { instances, usable, endsAtMs }]) => ({
    ...{ lane, instances, usable },
    ends: endsAtMs === undefined ? undefined : new Date(endsAtMs).toISOString(),
    isEnded: endsAtMs !== undefined && wallNowMs >= endsAtMs,
  }));
}
