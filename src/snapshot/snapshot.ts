import type { DatacenterState } from '../discovery/source';
import type { Plan } from '../policy/plan';

/**
 * Everything that decides where calls of one service may go, at one moment: a plan joined with the instances known.
 * Immutable and replaced whole; a new one is made when either side changed.
 */
export interface Snapshot {
  /** Grows by one with each snapshot of a service in this process. */
  readonly version: number;
  readonly service: string;
  readonly plan: Plan;
  readonly instances: InstanceSet;
  /** Set when calls must be refused although the registry answered (`requirePolicy` and no policy). */
  readonly refusal: string | undefined;
}

/** What discovery knows of one service, all datacenters. Kept as it is while only the plan changes. */
export interface InstanceSet {
  readonly version: number;
  /** Local first. */
  readonly datacenters: readonly DatacenterState[];
}
