import type { Algorithm } from './algorithm';
import type { DestinationDocument, PeerDocument } from './destination-document';
import type { LaneDocument } from './lanes/lane-document';
import type { NamedFaultDocument } from './named-fault-document';
import type { RetryDocument, RouteDocument } from './route-document';
import type { BreakerDocument, SubsetBreakerDocument, SubsetDocument } from './subset-document';

export type { StatusName } from '../base/status-names';
export type * from './algorithm';
export type * from './destination-document';
export type * from './fault-document';
export type * from './header-document';
export type * from './lanes/lane-document';
export type * from './mirror-document';
export type * from './named-fault-document';
export type * from './route-document';
export type * from './subset-document';

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
   * Lanes: calls whose label names a lane go to the instances of that lane, before any route; one dimension, or up to
   * four. Default: no lanes.
   */
  readonly lanes?: LaneDocument<NoInfer<S>> | readonly LaneDocument<NoInfer<S>>[];
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
  /** Attempts that fail, or begin late, on purpose and for a while. `graylane drill` writes them. At most 20. */
  readonly faults?: readonly NamedFaultDocument<NoInfer<S>>[];
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

/** The emergency switch. Beats every route and ends by itself. Needs `to` or `datacenter`, or both. */
export interface OverrideDocument<S extends string = string> {
  /** Where all calls go. A place where nobody is usable is passed over. */
  readonly to?: DestinationDocument<S>;
  /** The datacenter that all calls go to. */
  readonly datacenter?: string;
  /** RFC 3339. */
  readonly until: string;
  /** Who set it, for `explain()` and logs. */
  readonly by?: string;
  /** Why it was set, for `explain()` and logs. */
  readonly reason?: string;
}
