import type { DatacenterState, Instance } from '../../base/instances';
import type { Plan } from '../plan';

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
  /** What the plan's lookups found, by their keys; undefined for a plan without lookups. */
  readonly lookups?: ReadonlyMap<string, DatacenterState>;
}

/** Every instance of a set. One that two lookups found comes twice. */
export function instancesOf(set: InstanceSet): readonly Instance[] {
  const states = set.lookups === undefined ? set.datacenters : new Set([...set.datacenters, ...set.lookups.values()]);
  return [...states].flatMap((state) => state.instances);
}

/** The plan that decides: in observe mode that is not the one that carries the calls. */
export function decidingPlan({ plan, observed }: Pick<Snapshot, 'plan' | 'observed'>): Plan {
  return observed ?? plan;
}
