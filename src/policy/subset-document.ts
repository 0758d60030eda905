import type { StatusName } from '../base/status-names';
import type { Algorithm } from './algorithm';
import type { DestinationDocument } from './destination-document';

/** Which instances belong to a subset, and what applies to its calls. */
export interface SubsetDocument<S extends string = string> {
  /** All of them must be on the instance. */
  readonly tags?: readonly string[];
  /** None of them may be on the instance. */
  readonly notTags?: readonly string[];
  /** Exact values, all of them. */
  readonly meta?: Readonly<Record<string, string>>;
  /** A Consul filter expression, evaluated by Consul in a query of its own. */
  readonly filter?: string;
  /**
   * Of instances with several named ports (Consul 1.22 and later) the port that calls go to; who has no port of this
   * name does not belong. Default: the one of the target, else their default port.
   */
  readonly port?: string;
  /** Where calls go when this subset cannot serve them. Default: nowhere (strict isolation). */
  readonly fallback?: DestinationDocument<S>;
  /**
   * At most this share of the subset's calls goes to its fallback, in percent; the others stay with the subset and fare
   * as its instances do. Default 100: all of them may.
   */
  readonly fallbackMaxPercentage?: number;
  /** Overrides the policy's breaker for this subset's endpoints. */
  readonly breaker?: BreakerDocument;
  /** Overrides the policy's breaker of whole subsets for this one. */
  readonly subsetBreaker?: SubsetBreakerDocument;
  /** How much worse than another subset it may be in this client. Needs a `fallback`. Default: no comparison. */
  readonly guard?: GuardDocument<S>;
  /** How much of it one client may use. Default: no limit. */
  readonly limits?: LimitsDocument;
  /** Whether instances that are in a lane belong to the subset too. Default `exclude`. */
  readonly lanes?: 'include' | 'exclude';
  /** How its endpoints share its calls. Default: as the policy's `balancing` says. */
  readonly balancing?: SubsetBalancingDocument;
}

/**
 * In place of the policy's algorithm and label. The rest of `balancing` is about endpoints and connections, which
 * subsets share, and stands in the policy alone.
 */
export interface SubsetBalancingDocument {
  /** See {@link Algorithm}. */
  readonly algorithm: Algorithm;
  /** Label that places a call on the ring; required by, and only allowed with, `ring_hash`. */
  readonly hashBy?: string;
}

/**
 * How much one client, which is one process, may have under way at a subset. Instances see this times the number of
 * clients.
 */
export interface LimitsDocument {
  /**
   * Attempts in flight, in all datacenters; a stream counts for as long as it is open. A full subset's calls go to its
   * `fallback`, where they may. 1..1,000,000.
   */
  readonly maxInFlight: number;
  /**
   * Calls that wait, for `connectTimeoutMs` at most, when no other subset may serve them. Further calls fail with
   * UNAVAILABLE. 0..1,000,000, default 0.
   */
  readonly maxPending?: number;
}

/**
 * Sheds a subset to its fallback for a while when this client sees it do worse than another one: fail more often, or
 * answer more slowly. Each client judges by its own attempts. `{}` is one with all defaults.
 */
export interface GuardDocument<S extends string = string> {
  /** Which subset it is compared with. Default: its `fallback`. */
  readonly against?: S;
  /** Attempts at the guarded subset within the window before it is judged. >= 1, default 20. */
  readonly minimumCalls?: number;
  /** By so many percentage points its share of failures may exceed the other's. 0..100, default 5. */
  readonly maxExcessFailurePercentage?: number;
  /** Its median time to the first response may be so many times the other's. > 1. Default: times are not compared. */
  readonly maxLatencyFactor?: number;
  /** How far back is counted. 1,000..3,600,000 milliseconds, default 60,000. */
  readonly windowMs?: number;
  /** How long it is shed; doubles each time that it happens again soon after. >= 1,000 milliseconds, default 60,000. */
  readonly holdMs?: number;
  /** The longest that it is shed at a time. >= `holdMs`, default 600,000. */
  readonly maxHoldMs?: number;
  /** True: only says, in logs and `inspect()`, when it would shed. Default false. */
  readonly dryRun?: boolean;
}

/** When the breaker of an endpoint opens and closes again. */
export interface BreakerDocument {
  /** Default true. */
  readonly enabled?: boolean;
  /** Opens at or above this share of failures. 1..100, default 50. */
  readonly errorThresholdPercentage?: number;
  /** Outcomes in the window before the percentage counts. Default 5. */
  readonly volumeThreshold?: number;
  /** Failures in a row that open it. Default 5. 0 turns it off. */
  readonly consecutiveFailures?: number;
  /** Deadlines in a row with nothing received that open it. Default 2. 0 turns it off. */
  readonly silentFailures?: number;
  /** A call slower than this counts as a failure. Default: none. */
  readonly slowCallMs?: number;
  /** The window that outcomes are counted in. 100..3,600,000 milliseconds, default 10,000. */
  readonly rollingCountTimeoutMs?: number;
  /** Before the first probe. Default 5000. Grows on each failed probe, with jitter. */
  readonly resetTimeoutMs?: number;
  /** The longest time before a probe. Milliseconds, > 0. Default 60,000. */
  readonly maxResetTimeoutMs?: number;
  /** Share of a pool that may be held out at once. 0..100, default 50. */
  readonly maxEjectionPercentage?: number;
  /** Status names that count as failures. */
  readonly failureStatusCodes?: readonly StatusName[];
}

/** When the breaker of a whole subset in a datacenter opens and closes again. */
export interface SubsetBreakerDocument {
  /** Default true. */
  readonly enabled?: boolean;
  /** Opens at or above this share of failures. 1..100, default 50. */
  readonly errorThresholdPercentage?: number;
  /** Outcomes in the window before the percentage counts. >= 1, default 10. */
  readonly volumeThreshold?: number;
  /** Time before the first probe; grows on each failed probe. Milliseconds, > 0. Default 5,000. */
  readonly resetTimeoutMs?: number;
  /** The longest time before a probe. Milliseconds, > 0. Default 60,000. */
  readonly maxResetTimeoutMs?: number;
  /** The window that outcomes are counted in. 100..3,600,000 milliseconds, default 10,000. */
  readonly rollingCountTimeoutMs?: number;
}
