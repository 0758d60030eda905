import type { Clock } from '../../base/clock';
import type { Random } from '../../base/random';
import type { Snapshot } from '../../policy/membership/snapshot';
import type { Decision } from '../../policy/plan';
import type { Outcome } from '../breaker/outcome';
import type { BreakerRegistry } from '../breaker/registry';
import type { StallDetector } from '../breaker/stall';
import type { Metadata, SubchannelCall, SubchannelCallListener } from '../grpc/grpc-js';
import type { ServiceTelemetry } from '../telemetry/service-telemetry';
import type { MethodTimes } from './attempts/methods';
import type { AttemptView, RoutedCall } from './attempts/routed-call';
import type { Endpoint } from './endpoints/endpoint';
import type { EndpointRegistry } from './endpoints/endpoint-registry';
import type { SubsetLimits } from './limits/subset-limits';
import type { Spill } from './tiers/spill';
import type { ZonePreference } from './zones/zone-preference';
/**
 * What a balancer needs from the service it balances. One service of one lane, shared by its channels; outlives the
 * balancers, which grpc-js destroys when a channel goes idle.
 */
export interface BalancerHost {
  readonly service: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Stable for the process; spreads deterministic subsetting over clients. */
  readonly clientId: string;
  readonly connectDeadlineMs: number;
  /** Which key of an instance's meta holds the name that it is asked for under. Undefined: meta is not believed in that. */
  readonly authorityMetaKey: string | undefined;
  /** The zone that this client runs in; undefined: not known. When it becomes known, `endpoints.changed()` is called. */
  readonly zone?: string | undefined;
  /** Those in force, by subset, for `inspect()` and `explain()`: written by the balancers. */
  readonly zonePreferences?: Map<string, { readonly preference: ZonePreference; readonly datacenter: string }>;
  /** How much of its calls each tier in use keeps, by `spillName`, for `explain()`: written by the balancers. */
  readonly spills?: Map<string, Spill>;
  /** Undefined where no policy can have any, as in tests. */
  readonly limits?: SubsetLimits;
  readonly endpoints: EndpointRegistry;
  readonly breakers: BreakerRegistry;
  readonly stall: StallDetector;
  readonly taps: AttemptTaps;
  readonly methodTimes: MethodTimes;
  /** Undefined where nothing is observed, as in tests. */
  readonly telemetry: ServiceTelemetry | undefined;
  /** What is known now; undefined: nothing yet. */
  readonly snapshot: Snapshot | undefined;
  /** Keeps the watches of the service open. The listener hears of each later snapshot, synchronously. */
  subscribe(listener: (snapshot: Snapshot | undefined) => void): () => void;
  /** Decides a call that began before anything was known. */
  decideLate(call: RoutedCall, snapshot: Snapshot, metadata: Metadata): Decision;
  /** A call's first attempt begins: the retry budget is a share of the calls that are made. */
  callStarted(nowMs: number): void;
  /** A call's first attempt has ended. */
  callEnded(nowMs: number): void;
  /** A retry that was drawn from the budget reached nobody. */
  retryUnused(): void;
  /** Stands in for an attempt's transport, where it gives one: faults that a test asks for. Must not throw. */
  readonly intercept?:
    | ((attempt: AttemptView, listener: SubchannelCallListener) => SubchannelCall | undefined)
    | undefined;
  /** The server at the endpoint has ended a connection since keepalive pings came too often. Called for each call it cost. */
  pingsRefused?(endpoint: Endpoint): void;
  /** A call was to send a header of this name, which cannot be sent, and is sent without. */
  headerDropped?(name: string): void;
  /** Draws one hedge from the retry budget. */
  mayHedge(): boolean;
  /** Why nothing is known yet, for a final status. */
  pendingReason(): string;
  /** What is known is old, since when and why, for the status of a call that finds nobody; undefined: it is fresh. */
  staleness?(): string | undefined;
}

/** How a channel's resolver, selector and balancer find each other. Travels as a resolver attribute. */
export interface ChannelLink {
  readonly host: BalancerHost;
  /** Set by the balancer: false means that calls may have to wait, so the selector adds a reason to their status. */
  isReady: boolean;
  /** Set by the balancer: what stands in the way of a call that waits. */
  waitingReason: (() => string) | undefined;
  /** grpc-js may print channel options when tracing is on. */
  toJSON(): string;
}

/** Counts attempts by subset, for whoever compares one subset with another in this client. */
export interface AttemptTap {
  /**
   * An attempt that started has ended. `wanted` is the subset that its call was decided for, `served` the one it went to.
   * `latencyMs` is the time to the first response, or to the end where none came. Called synchronously; must neither throw
   * nor allocate much.
   */
  attemptEnded(wanted: string, served: string, outcome: Outcome, latencyMs: number): void;
}

/** The taps of one service; none of them most of the time, which costs one comparison an attempt. */
export class AttemptTaps {
  #taps: readonly AttemptTap[] = [];

  get isEmpty(): boolean {
    return this.#taps.length === 0;
  }

  /** Returns the way to stop. */
  add(tap: AttemptTap): () => void {
    // A list is never changed: a tap may stop while it hears of an attempt.
    this.#taps = [...this.#taps, tap];
    return () => {
      this.#taps = this.#taps.filter((other) => other !== tap);
    };
  }

  attemptEnded(wanted: string, served: string, outcome: Outcome, latencyMs: number): void {
    for (const tap of this.#taps) tap.attemptEnded(wanted, served, outcome, latencyMs);
  }
}
