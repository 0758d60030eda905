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
  /** Carries the calls. */
  readonly plan: Plan;
  /** Under `mode: 'observe'`: decides what is recorded, while `plan` is the one of a service without a policy. */
  readonly observed: Plan | undefined;
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

/** The plan that decides: in observe mode that is not the one that carries the calls. */
export function decidingPlan({ plan, observed }: Pick<Snapshot, 'plan' | 'observed'>): Plan {
  return observed ?? plan;
}
