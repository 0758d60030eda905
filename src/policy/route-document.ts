import type { StatusName } from '../base/status-names';
import type { DestinationDocument, PeerDocument } from './destination-document';
import type { FaultDocument } from './fault-document';
import type { HeaderChangesDocument } from './header-document';
import type { MirrorDocument } from './mirror-document';

/** Calls that match, and where they go: exactly one of `to` and `split`. */
export type RouteDocument<S extends string = string> = RouteRulesDocument<S> & RouteTargetDocument<S>;

/** Where the calls of a route go. */
export type RouteTargetDocument<S extends string = string> = WholeRouteDocument<S> | SplitRouteDocument<S>;

/** All calls go one way. */
interface WholeRouteDocument<S extends string> {
  /** Where all calls go. */
  readonly to: DestinationDocument<S>;
  /** Not beside `to`. */
  readonly split?: never;
}

/** Calls go several ways. */
interface SplitRouteDocument<S extends string> {
  /** Destinations by weight, at most 100. */
  readonly split: readonly SplitEntryDocument<S>[];
  /** Not beside `split`. */
  readonly to?: never;
}

/** What a route says beside its destinations. */
interface RouteRulesDocument<S extends string> {
  /** Unique in the policy; also the salt of its split unless `stickySalt` is given. */
  readonly name: string;
  /** Default: matches every call. */
  readonly match?: MatchDocument;
  /** As `locality.failover`, in its place for calls of this route. Default: that of the policy; of a pinned one, none. */
  readonly failover?: readonly (string | PeerDocument)[];
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
  /** What is changed in the metadata that each attempt sends. Routing goes by the metadata as the caller gave it. */
  readonly requestHeaders?: HeaderChangesDocument;
  /** What is changed in the metadata that the caller receives. */
  readonly responseHeaders?: HeaderChangesDocument;
  /** Attempts of calls that this route decides fail, or begin late, on purpose and for a while. */
  readonly fault?: FaultDocument;
  /** Copies of its calls for another destination. Default: none. */
  readonly mirror?: MirrorDocument<DestinationDocument<S>>;
}

/** One destination of a split. */
export interface SplitEntryDocument<S extends string = string> {
  /** Where its share goes. */
  readonly to: DestinationDocument<S>;
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
  /** Names of calling services, one of which the Graylane client states as its own (`serviceName`). */
  readonly from?: readonly string[];
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
      /** Name of a list of values in Consul KV, at `graylane/lists/NAME`, or several; one of its values. */
      readonly list?: string | readonly string[];
      /** RE2 syntax, at most 256 characters, matches the whole value. */
      readonly regex?: string;
      /** Half-open: [from, to), on values that are whole decimal numbers. */
      readonly range?: readonly [number, number];
      /**
       * A range of versions: `>=16.2 <18`, `^2.1`, `16.x || 17.x`. Of values with one to four numbers; missing numbers
       * count as 0, a pre-release comes before its release.
       */
      readonly version?: string;
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
