import type { PolicyDocument, RetryBudgetDocument, SignatureDocument } from './document';
import type { FaultPlan } from './fault-plan';
import type { MatchPlan } from './match-plan';
import type { MethodSet } from './method-set';
import type {
  BalancingPlan,
  BreakerPlan,
  GuardPlan,
  HedgingPlan,
  LimitsPlan,
  LocalityPlan,
  RetryPlan,
  SubsetBreakerPlan,
} from './tuning-plan';

export type * from './fault-plan';
export type * from './match-plan';
export type * from './tuning-plan';

/**
 * A policy compiled: immutable, shared by every call that was decided under it, replaced as a whole. Built by
 * `compilePolicy()`; read by `routing/` (one Decision a call) and by `balancer/` (tiers for each destination).
 */
export interface Plan {
  readonly service: string;
  readonly origin: PolicyOrigin;
  /** First 12 hexadecimal digits of the SHA-256 of the canonical document; `none` without a policy. */
  readonly revision: string;
  /** Consul ModifyIndex as text, where the policy came from Consul. */
  readonly index: string | undefined;
  readonly subsets: ReadonlyMap<string, SubsetPlan>;
  readonly routes: readonly RoutePlan[];
  /** What no route matches. */
  readonly fallthrough: Decision;
  readonly override: OverridePlan | undefined;
  /**
   * Every subset twice, open and strict, so that `force` finds its own here too; `destination.index` is the position in
   * here.
   */
  readonly destinations: readonly Destination[];
  /** Label keys, lower-cased, that any route, split, sample or hash of this plan reads. */
  readonly labelKeys: readonly string[];
  /** Lists of values that matchers name; undefined: none. What is in them is asked for at each test. */
  readonly lists?: readonly string[];
  /** What hits attempts on purpose, those of routes too; undefined: nothing. */
  readonly faults?: readonly FaultPlan[];
  readonly balancing: BalancingPlan;
  readonly locality: LocalityPlan;
  readonly retryBudget: Required<RetryBudgetDocument>;
  /** Methods that the policy calls idempotent; undefined: none. */
  readonly idempotent?: MethodSet;
  readonly breaker: BreakerPlan;
  readonly subsetBreaker: SubsetBreakerPlan;
  /** The document that this was compiled from, deeply frozen; undefined without a policy. */
  readonly document: PolicyDocument | undefined;
  /** As the document has it, of a tombstone too. Whether it is right was checked only where keys are given. */
  readonly signature?: SignatureDocument;
  /** Consul's compiled discovery chain, where this was compiled from one. */
  readonly chain?: object;
  /** Every lookup of the subsets, each once; undefined where all subsets are of the service itself. */
  readonly lookups?: readonly Lookup[];
  /**
   * Cluster peers and pinned datacenters that every own subset has instances of too; undefined: none. Beside `lookups`
   * there are none.
   */
  readonly peers?: readonly Lookup[];
  /** What is looked up of other services, each lookup once; undefined: nothing. Beside `lookups` there is none. */
  readonly elsewhere?: readonly Lookup[];
  /** Other services whose policies this plan goes by; undefined: none. */
  readonly services?: readonly string[];
  /** The name that the Graylane client states of itself: what `match.from` is held against. Undefined: none. */
  readonly caller?: string;
  /** Undefined: no lanes. */
  readonly lanes?: LanesPlan;
  /** Upper bound of how long a connection may take; undefined: the Graylane client's own. Milliseconds. */
  readonly connectTimeoutMs?: number;
  readonly warnings: readonly PolicyProblem[];
}

/** Where a policy came from. `none`: no policy, all instances are one subset. */
export type PolicyOrigin = 'none' | 'inline' | 'file' | 'kv' | 'chain';

/** Name of the one subset that a plan without subsets has: all instances. */
export const ALL_INSTANCES = '*';

export interface SubsetPlan {
  readonly name: string;
  /** Another service, whose instances and policy it is of; undefined: the plan's own. */
  readonly service?: string;
  /** Why that service has no such subset, in words: it is empty. Undefined: it has. */
  readonly missing?: string;
  readonly tags: readonly string[];
  /** None of them may be on an instance. */
  readonly notTags?: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  /** A Consul expression; when set, membership also needs Consul's own answer to it. */
  readonly filter: string | undefined;
  /** The port that its instances are dialled at; undefined: as discovery gave them. */
  readonly port?: string;
  readonly fallback: string | undefined;
  /** Of another service: routes name a subset that serves when it cannot. */
  readonly isStoodInFor?: boolean;
  /** The one place where the fallback is looked for; undefined: wherever calls go. */
  readonly fallbackPlace?: string;
  /** In (0, 100]. */
  readonly fallbackMaxPercentage: number;
  readonly breaker: BreakerPlan;
  readonly subsetBreaker: SubsetBreakerPlan;
  readonly limits?: LimitsPlan;
  /** Only beside a fallback. */
  readonly guard?: GuardPlan;
  /** Where its instances are looked for; undefined: the plan's service, in every datacenter of the Graylane client. */
  readonly lookups?: readonly Lookup[];
  /** Instances with a warning do not count as usable. */
  readonly onlyPassing?: boolean;
  /** Undefined: the plan's. */
  readonly balancing?: BalancingPlan;
  /** Instances in a lane belong to it too, if they fit. */
  readonly takesLanes?: boolean;
  /** Of another service whose policy has lanes: instances in them do not belong. */
  readonly exceptLanes?: readonly Pick<LaneDimensionPlan, 'meta'>[];
}

/** One service in one place: what one health query of Consul answers. Equal lookups have equal keys. */
export interface Lookup {
  readonly key: string;
  readonly service: string;
  /** In every datacenter of the Graylane client instead; the other fields are empty. */
  readonly isEverywhere?: true;
  /** As tiers, decisions and refusals name the place: a datacenter, or `peer name`. */
  readonly datacenter: string;
  /** Datacenter that is asked; undefined: the local one, whatever its name. */
  readonly askedDatacenter: string | undefined;
  /** Namespace, partition and peer, by the names of Consul's query parameters; usually empty. */
  readonly scope: Readonly<Record<string, string>>;
}

/** Where a decision sends a call: a subset, and who may stand in for it. The balancer turns it into tiers. */
export interface Destination {
  /**
   * -1 for a lane, and for a subset that a strict `force` names and the plan does not know: the call fails, naming the
   * force.
   */
  readonly index: number;
  readonly subset: string;
  readonly strict: boolean;
  /** The subset, then its fallbacks in order; just the subset when strict. Never empty, no repeats. */
  readonly chain: readonly string[];
  /** The failover order, where it does not follow from `chain` and the Graylane client's datacenters. */
  readonly tiers?: readonly PlannedTier[];
  /**
   * Of each subset of `chain` the places that its calls go to, in order, where they are not those of
   * `locality.failover`. {@link LOCAL_PLACE} is the local datacenter.
   */
  readonly places?: readonly (readonly string[] | undefined)[];
}

/** Among the places of a destination: the local datacenter, whatever its name. */
export const LOCAL_PLACE = '';

/** One step of a failover order. */
export interface PlannedTier {
  /** Subset of its endpoints. */
  readonly subset: string;
  /** Datacenter of its endpoints. */
  readonly datacenter: string;
}

/** A route, nothing but the policy's `default`, the call's lane, an override in force, or the caller's `force`. */
export type DecidedBy = 'route' | 'default' | 'lane' | 'override' | 'force';

/**
 * What the plan says of one call. Built when the plan is compiled, one for each outcome that a route can have, so that
 * deciding allocates nothing. `force` makes decisions of its own at call time.
 */
export interface Decision {
  readonly plan: Plan;
  readonly by: DecidedBy;
  /** The route's name; `default`, `lane`, `override` or `force` otherwise. */
  readonly route: string;
  readonly destination: Destination;
  /** Name of the lane that it leads to. */
  readonly lane?: string;
  readonly timeoutMs: number | undefined;
  /** How long one attempt may take, for calls that may run again. Milliseconds; undefined: as long as the call. */
  readonly attemptTimeoutMs: number | 'auto' | undefined;
  /** `undefined`: nothing said anywhere, so that only calls of idempotent methods may run again. */
  readonly retry: RetryPlan | 'off' | undefined;
  /** When set, `retry` plays no part. */
  readonly hedging: HedgingPlan | undefined;
  /** Only these datacenters may serve (override and strict force); undefined: all. */
  readonly datacenters: readonly string[] | undefined;
  /**
   * Set when `by` is `force`. With `endpoint` or `instance` the balancer looks among all instances, not only those of
   * `destination`, which is what routing would have said; it serves when `strict` is false and the force cannot be had.
   */
  readonly force: ForceSelector | undefined;
  /** What ring_hash goes by, in order; undefined: the plan's `balancing.hashBy`. */
  readonly hashPolicies?: readonly HashPolicy[];
  /** What is changed in the metadata of each attempt. */
  readonly requestHeaders?: readonly HeaderChanges[];
  /** What is changed in the metadata that the caller receives. */
  readonly responseHeaders?: readonly HeaderChanges[];
  /** The route's. */
  readonly fault?: FaultPlan;
  /** Copies of the call; undefined: none are made. */
  readonly mirror?: MirrorPlan | undefined;
}

/** Copies of the calls of one decision. Built with the decision, and as immutable. */
export interface MirrorPlan {
  /** In hundredths of a percent: 10,000 copies every call. */
  readonly share: number;
  readonly maxInFlight: number;
  readonly timeoutMs: number;
  /** Undefined: answers are not compared. */
  readonly compare: ComparePlan | undefined;
  /** Where a copy goes: there alone, and at most once. */
  readonly copy: Decision;
  /** Where a second copy goes, which shows what differs between two answers of the call's own destination. */
  readonly again: Decision;
}

/** How answers are compared. */
interface ComparePlan {
  /** As written. */
  readonly ignore: readonly string[];
}

/** One source of the hash that places a call on the ring. Those that yield something are combined. */
export interface HashPolicy {
  /** Label that is read; undefined: `constant` is hashed. */
  readonly key: string | undefined;
  readonly constant: string | undefined;
  /** Once a hash exists here, the ones below play no part. */
  readonly isTerminal: boolean;
}

/** Changes of metadata, in this order: remove, append, overwrite. Keys are lower-case, values legal. */
export interface HeaderChanges {
  readonly remove: readonly string[];
  readonly add: readonly (readonly [string, string])[];
  readonly set: readonly (readonly [string, string])[];
}

/** What `graylane.with({ force })` may ask for: one or several keys, all of which must hold. */
export interface ForceSelector {
  /** `host:port`. */
  readonly endpoint?: string;
  /** Consul service ID. */
  readonly instance?: string;
  /** Name of a subset of the policy. */
  readonly subset?: string;
  /** Name of a datacenter. */
  readonly datacenter?: string;
  /** Default true: fail, naming the force, when it cannot be had. False: go on as if it had not been asked for. */
  readonly strict?: boolean;
}

export interface OverridePlan {
  readonly decision: Decision;
  /** Wall-clock milliseconds; `Infinity` for one that comes from the environment. */
  readonly untilMs: number;
  readonly by: string | undefined;
  readonly reason: string | undefined;
  readonly origin: 'policy' | 'environment';
  /** Set when the override names only a datacenter: the route's decision is kept and held to it. */
  readonly datacenterOnly: boolean;
}

/** One thing wrong, or worth a warning, in a policy document. */
export interface PolicyProblem {
  /** `routes[1].split[0].weight`; the empty string for the document as a whole. */
  readonly path: string;
  /** `routes[1].split[0].weight: -1 (expected: >= 0)`, path included. */
  readonly message: string;
  /** 1-based, where the document was text. */
  readonly line?: number;
  /** 1-based, where the document was text. */
  readonly column?: number;
}

/** A route of a plan: which calls, and their shares. Immutable, as all of the plan. */
export interface RoutePlan {
  readonly name: string;
  readonly index: number;
  /** Undefined: every call. */
  readonly match: MatchPlan | undefined;
  readonly split: SplitPlan;
}

/** Always at least one entry; one entry means that no dice are thrown. */
export interface SplitPlan {
  readonly stickBy: string | undefined;
  readonly entries: readonly SplitEntryPlan[];
  /** True up to three entries: sticky values go by their bucket. False: by rendezvous hashing. */
  readonly isBucketed: boolean;
  /** Bucket 0..9999 of a sticky value. */
  bucketOf(value: string): number;
  /** Entry index of a sticky value (buckets up to three entries, rendezvous hashing from four on). */
  entryOfValue(value: string): number;
}

export interface SplitEntryPlan {
  readonly subset: string;
  /** Its name within the split: the subset, with the place that it is pinned to. */
  readonly to: string;
  readonly weight: number;
  /** Buckets of 10,000, side by side. */
  readonly buckets: number;
  /** The bucket after its last one. */
  readonly end: number;
  readonly decision: Decision;
}

/** The lanes of a plan. Which of them have instances is known to a `LaneTable`. */
export interface LanesPlan {
  /** In the order of the document; the last is left out first. */
  readonly dimensions: readonly LaneDimensionPlan[];
  /** What decisions for a lane are made of: all but their destination. */
  readonly template: Decision;
  /** For calls whose lane has no instance, under `strict`: its destination is nowhere. */
  readonly refusal: Decision;
}

/** One dimension of lanes. */
export interface LaneDimensionPlan {
  /** Label, lower-cased. */
  readonly by: string;
  readonly meta: string;
  readonly strict: boolean;
  /** Of calls whose lane has no instance; undefined: the routes decide. */
  readonly fallback: Decision | undefined;
  /** The subsets that stand in for a lane that cannot serve; none under `strict`. */
  readonly chain: readonly string[];
  /** The port that its instances are dialled at: that of the first subset that stands in for them. */
  readonly port: string | undefined;
  /** Wall-clock milliseconds, by lane. */
  readonly ends: ReadonlyMap<string, number>;
}
