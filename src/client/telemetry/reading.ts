import type { BreakerView } from '../breaker/view';

/** Where the endpoints of a subset in a datacenter stand. Each is in one state only. */
export const ENDPOINT_STATES = ['ready', 'connecting', 'idle', 'failed', 'ejected', 'critical'] as const;
export type EndpointState = (typeof ENDPOINT_STATES)[number];

/** One service of a Graylane client as the gauges show it: plain data, read when somebody collects and not before. */
export interface ServiceReading {
  readonly datacenters: readonly {
    readonly datacenter: string;
    readonly local: boolean;
    readonly freshness: 'fresh' | 'pending' | 'stale';
    /** Seconds since the last good answer, or since the watch began where there was none; 0 when fresh. */
    readonly staleForS: number;
  }[];
  readonly endpoints: readonly {
    readonly subset: string;
    readonly datacenter: string;
    /** It is the subset that calls go to when no route says otherwise. */
    readonly isDefault: boolean;
    readonly states: Readonly<Record<EndpointState, number>>;
  }[];
  readonly breakers: readonly BreakerView[];
  readonly guards: readonly { readonly subset: string; readonly isShedding: boolean }[];
  readonly policy: {
    /** Consul index; undefined where the policy did not come from Consul. */
    readonly index: string | undefined;
    /** Consul index of the last revision that was refused, even if a good one has come since. */
    readonly rejectedIndex: string | undefined;
    readonly revision: string | undefined;
    /** Seconds since it could last be read, or since the watch began where it never was; 0 while it can be read. */
    readonly staleForS: number;
    /** Things that it asks for and cannot have with the instances known now. */
    readonly shortfalls: number;
  };
  readonly retryBudget: {
    /** 1: nothing drawn; 0: spent. */
    readonly left: number;
    /** Retries and hedges refused so far because it was spent. */
    readonly refused: number;
  };
  /** In force now. */
  readonly override: { readonly origin: string; readonly to: string } | undefined;
}
