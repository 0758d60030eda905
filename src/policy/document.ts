import type { StatusName } from '../base/status-names';

export type { StatusName };

/**
 * The policy document as people write it: JSON in Consul KV, JSON or YAML in files, an object in code. `S` is the union
 * of subset names, so that {@link definePolicy} can refuse `to: 'canray'` at compile time.
 */
export interface PolicyDocument<S extends string = string> {
  /** Address of the JSON Schema, for editors. Not read. */
  readonly $schema?: string;
  /** Version of this format. Always 1; a document with a higher number is refused whole. */
  readonly schema: 1;
  /** Consul service name. Must equal the service that the policy is read for. */
  readonly service: string;
  /** Oldest version of this library that understands the document, `major.minor.patch`. */
  readonly minSdk?: string;
  /**
   * Says that the service has no policy any more, so that one deleted by accident and one given up are not the same: a
   * key that merely vanishes leaves the last policy in force. Stands alone beside `schema`, `service` and `minSdk`.
   */
  readonly tombstone?: true;
  /** Named groups of instances, by name: at most 64 letters, digits, `_`, `.`, `-`. Default: one that takes all. */
  readonly subsets?: Readonly<Record<S, SubsetDocument<NoInfer<S>>>>;
  /** Where calls go that no route matches. Required from two subsets on. */
  readonly default?: NoInfer<S>;
  /** First match wins. At most 1,000. */
  readonly routes?: readonly RouteDocument<NoInfer<S>>[];
  /**
   * Says that calls may run again, and how they are tried again; for every call whose route says nothing of it. `off`:
   * they run at most once, whatever `idempotent` and method definitions say. Default: calls of idempotent methods alone
   * may run again. What no server can have seen is always tried elsewhere.
   */
  readonly retry?: RetryDocument | 'off';
  /**
   * Methods that may run again, `/package.Service/Method` or a prefix that ends in `/`; beside those whose definition
   * has an `idempotency_level`. Tried again as `retry: {}` says, where no `retry` applies.
   */
  readonly idempotent?: readonly string[];
  /** Shortens the caller's deadline, never lengthens it. Milliseconds, > 0. */
  readonly timeoutMs?: number;
  /** For every call whose route has none. See {@link RouteDocument.attemptTimeoutMs}. */
  readonly attemptTimeoutMs?: number | 'auto';
  /** How many retries there may be, beside the calls. */
  readonly retryBudget?: RetryBudgetDocument;
  /** Which endpoint of a pool a call goes to. */
  readonly balancing?: BalancingDocument;
  /** Which datacenters and zones calls go to. */
  readonly locality?: LocalityDocument;
  /** When an endpoint is held out. */
  readonly breaker?: BreakerDocument;
  /** When a whole subset is held out in a datacenter, so that its calls go to its fallback. */
  readonly subsetBreaker?: SubsetBreakerDocument;
  /** The emergency switch. Default: none. */
  readonly override?: OverrideDocument<NoInfer<S>>;
  /** Made by `graylane policy apply --key`; not written by hand. Required by clients that have `policyKeys`. */
  readonly signature?: SignatureDocument;
}

/** Says who wrote a document, and when. Signed is everything in the document except `value`. */
export interface SignatureDocument {
  /** The public key: the first 16 hexadecimal digits of the SHA-256 of its DER form (SPKI). */
  readonly key: string;
  /** RFC 3339. A client refuses a document that was signed before the one that it has. */
  readonly at: string;
  /** Ed25519, base64. */
  readonly value: string;
}

/** Which instances belong to a subset, and what applies to its calls. */
export interface SubsetDocument<S extends string = string> {
  /** All of them must be on the instance. */
  readonly tags?: readonly string[];
  /** Exact values, all of them. */
  readonly meta?: Readonly<Record<string, string>>;
  /** A Consul filter expression, evaluated by Consul in a query of its own. */
  readonly filter?: string;
  /**
   * Of instances with several named ports (Consul 1.22 and later) the port that calls go to; who has no port of this
   * name does not belong. Default: the one of the target, else their default port.
   */
  readonly port?: string;
  /** The subset that serves when this one cannot. Default: none (strict isolation). */
  readonly fallback?: S;
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

/** Calls that match, and where they go. */
export interface RouteDocument<S extends string = string> {
  /** Unique in the policy; also the salt of its split unless `stickySalt` is given. */
  readonly name: string;
  /** Default: matches every call. */
  readonly match?: MatchDocument;
  /** Exactly one of `to` and `split`. */
  readonly to?: S;
  /** Subsets by weight, at most 100. Exactly one of `to` and `split`. */
  readonly split?: readonly SplitEntryDocument<S>[];
  /** Label whose value decides the split, so that the same caller always goes the same way. */
  readonly stickBy?: string;
  /** Salt of the split in place of the route's name: a renamed route keeps its callers. Default: `name`. */
  readonly stickySalt?: string;
  /** True: no fallback subset for calls of this route. Default false. */
  readonly strict?: boolean;
  /** Shortens the caller's deadline, never lengthens it. Milliseconds, > 0. Default: that of the policy. */
  readonly timeoutMs?: number;
  /**
   * How long one attempt may take before the next one begins; only of calls that may run again and have an attempt
   * left. Milliseconds, > 0. `auto`: ten times what the method usually takes, at least 100 ms. Default: as long as the
   * call.
   */
  readonly attemptTimeoutMs?: number | 'auto';
  /** As the policy's `retry`, for calls of this route. Default: that of the policy. */
  readonly retry?: RetryDocument | 'off';
  /** Instead of `retry`: a second attempt while the first is still out. Only for calls that may be made twice. */
  readonly hedging?: HedgingDocument;
}

/** One subset of a split. */
export interface SplitEntryDocument<S extends string = string> {
  /** The subset. */
  readonly to: S;
  /** Relative share of calls, finite, >= 0; not all of a split may be 0. */
  readonly weight: number;
}

/** Everything inside is AND; lists are OR. */
export interface MatchDocument {
  /** `/package.Service/Method` exactly, or a prefix that ends in `/`. */
  readonly methods?: readonly string[];
  /** Conditions by label, all of which must hold. */
  readonly labels?: Readonly<Record<string, LabelMatcherDocument>>;
  /** Any of these label groups. */
  readonly any?: readonly { readonly labels: Readonly<Record<string, LabelMatcherDocument>> }[];
  /** A part of the callers. */
  readonly sample?: SampleDocument;
}

/** A string means `exact`. In an object every key given must hold; `not` negates a whole matcher. */
export type LabelMatcherDocument =
  | string
  | {
      readonly exact?: string;
      readonly prefix?: string;
      readonly suffix?: string;
      readonly contains?: string;
      readonly in?: readonly string[];
      readonly notIn?: readonly string[];
      /** RE2 syntax, at most 256 characters, matches the whole value. */
      readonly regex?: string;
      /** Half-open: [from, to), on values that are whole decimal numbers. */
      readonly range?: readonly [number, number];
      /** IPv4 or IPv6 blocks; one or several. */
      readonly cidr?: string | readonly string[];
      readonly present?: boolean;
      readonly not?: LabelMatcherDocument;
      readonly ignoreCase?: boolean;
    };

/** A part of the callers: the same ones each time, and more of them when the percentage grows. */
interface SampleDocument {
  /** Label whose value names the caller. Calls without it do not match. */
  readonly by: string;
  /** 0..100, with fractions down to 0.01. */
  readonly percent: number;
}

/** How calls that may run again are tried again: gRFC A6. */
export interface RetryDocument {
  /** Counts the first try. 2..5. */
  readonly maxAttempts?: number;
  /** gRPC status names. Default [UNAVAILABLE]. */
  readonly retryableStatusCodes?: readonly StatusName[];
  /** Pause before the first retry, give or take a fifth. Milliseconds, > 0. Default 20. */
  readonly initialBackoffMs?: number;
  /** The pause grows up to this. Milliseconds, > 0. Default 200. */
  readonly maxBackoffMs?: number;
  /** The pause grows by this factor with each retry. 1..100, default 2. */
  readonly backoffMultiplier?: number;
}

/** gRFC A6: attempts side by side, of which the first good answer wins. They draw on the retry budget. */
export interface HedgingDocument {
  /** Counts the first try. 2..5, default 2. */
  readonly maxAttempts?: number;
  /** Time after which the next attempt is sent. Milliseconds, >= 0. */
  readonly delayMs: number;
  /** After these the next attempt is sent at once; any other failure ends the call. Default [UNAVAILABLE]. */
  readonly nonFatalStatusCodes?: readonly StatusName[];
}

/** Limits the retries of a client at a service, so that they do not add to an overload. */
export interface RetryBudgetDocument {
  /** Retries as a share of calls in the last 10 s, 0..100. Default 20. */
  readonly percent?: number;
  /**
   * Retries that are allowed in any case: ten times so many in any 10 s. Default 0.5, which is 5 in 10 s. Twenty times
   * as many where a connection or stream broke off.
   */
  readonly minPerSecond?: number;
}

/** How an endpoint is picked from a pool. `peak_ewma` and `least_request` take the better of two drawn at random. */
export type Algorithm = 'peak_ewma' | 'least_request' | 'round_robin' | 'random' | 'ring_hash';

/** How calls are balanced over the endpoints of a pool. */
export interface BalancingDocument {
  /** Default `peak_ewma`. */
  readonly algorithm?: Algorithm;
  /** Time over which a new endpoint's weight grows to its full value. 0 turns it off. Default 0. */
  readonly slowStartMs?: number;
  /** Label that places a call on the ring; required by, and only allowed with, `ring_hash`. */
  readonly hashBy?: string;
  /**
   * How long calls may go on at an endpoint that has left discovery; then they end UNAVAILABLE. Milliseconds, >= 0.
   * Default: to their end.
   */
  readonly drainMs?: number;
  /**
   * Connections that a client may have to an endpoint whose peer allows no more streams on one
   * (SETTINGS_MAX_CONCURRENT_STREAMS). 1..16, default 2.
   */
  readonly connectionsPerEndpoint?: number;
  /** Each client uses this many endpoints of a pool, chosen deterministically. Default: all. */
  readonly subsetSize?: number;
}

/** A cluster peer (Consul 1.13 and later) of the local datacenter, by the name that it has there. */
export interface PeerDocument {
  /** Its name. */
  readonly peer: string;
}

/** Which datacenters and zones calls go to, and in which order. */
export interface LocalityDocument {
  /**
   * Datacenters, and cluster peers of the local one, to try after the local one, in order. Default: the client's other
   * datacenters, in their order, and no peers.
   */
  readonly failover?: readonly (string | PeerDocument)[];
  /** `subset` (default): the same subset elsewhere before the fallback here. `datacenter`: the other way round. */
  readonly prefer?: 'subset' | 'datacenter';
  /**
   * `prefer`: calls stay in the client's own zone of the local datacenter, as far as the zone's share of all capacity
   * carries them; what exceeds it goes to zones with room. `off` (default): zones play no part. No effect under
   * `ring_hash`.
   */
  readonly zones?: 'prefer' | 'off';
  /**
   * How many clients each zone has, in any unit, >= 0: 2 and 1 mean twice as many. Needed only where zones have clients
   * in numbers that differ much. Default: equally many in every zone that has instances.
   */
  readonly zoneClients?: Readonly<Record<string, number>>;
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

/** The emergency switch. Beats every route and ends by itself. Needs `to` or `datacenter`, or both. */
export interface OverrideDocument<S extends string = string> {
  /** The subset that all calls go to. */
  readonly to?: S;
  /** The datacenter that all calls go to. */
  readonly datacenter?: string;
  /** RFC 3339. */
  readonly until: string;
  /** Who set it, for `explain()` and logs. */
  readonly by?: string;
  /** Why it was set, for `explain()` and logs. */
  readonly reason?: string;
}
