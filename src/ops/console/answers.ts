/** What the console's API answers with beside what other rooms have types of. */

/** A policy in one datacenter, and who changed it last. Null for what is not known. */
export interface PolicySummary {
  readonly service: string;
  readonly datacenter: string;
  readonly revision: string | null;
  readonly isTombstone: boolean;
  readonly number: number | null;
  readonly time: string | null;
  readonly author: string | null;
  readonly message: string | null;
  /** While an override is in force. */
  readonly overrideUntil: string | null;
}

/** A service that is registered, has a policy, or both. */
export interface ListedService {
  readonly service: string;
  /** The datacenters that list it. */
  readonly registeredIn: readonly string[];
  readonly policies: readonly PolicySummary[];
  /** Drills that run. */
  readonly drills: number;
  /** The rollout that was begun last. */
  readonly rollout: { readonly state: string; readonly weight: number; readonly canary: string } | null;
}

/** What the clients of a service have counted, by subset. */
export interface ServiceCharts {
  /** Milliseconds since the epoch of each value. */
  readonly times: readonly number[];
  readonly stepMs: number;
  /** Attempts that ended, a second. */
  readonly perSecond: readonly ChartLine[];
  /** Attempts that did not end with OK, in percent. */
  readonly failedPercent: readonly ChartLine[];
}

interface ChartLine {
  readonly subset: string;
  /** Null where nobody has told. */
  readonly values: readonly (number | null)[];
}

/** What the console itself is. */
export interface ConsoleFacts {
  readonly version: string;
  /** Nothing can be changed. */
  readonly isReadOnly: boolean;
  /** Where charts come from, and which processes follow a policy; null: nowhere. */
  readonly figures: 'prometheus' | 'processes' | null;
  readonly datacenters: readonly string[];
}
