import type { Clock } from '../../base/clock';
import type { Decision, Plan } from '../plan';
import type { LaneValues } from './lane-values';

/** The labels of the call at hand. */
export interface LaneLabels {
  get(key: string): string | undefined;
}

/** What routing asks of the lanes that have instances. */
export interface LaneLookup {
  /** It counts under this plan alone. */
  readonly plan: Plan;
  /** By name. */
  readonly lanes: ReadonlyMap<string, { readonly endsAtMs: number | undefined; readonly values: LaneValues }>;
  /** Where a call's lane leads to; undefined: it asks for none, or has none here, and the routes decide. */
  find(labels: LaneLabels, clock: Clock): Decision | undefined;
}
