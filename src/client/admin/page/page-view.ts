import type { AgentLoad } from '../../../consul/request';
import type { BreakerState } from '../../breaker/view';
import type { ServiceInspection } from '../inspect';

/*
 * What the process' page is told. A state is a record of parts by path; a change replaces some parts and drops others.
 * Paths: `client`, `service/TARGET` (each service in short), and of the service that is looked at `detail/FIELD`,
 * `endpoint/DATACENTER/HOST:PORT`, `traffic`, `history`.
 */

/** `state` begins anew, `change` goes on: the parts that are new or other than before, and those that are gone. */
export interface PageChange {
  readonly set: Readonly<Record<string, unknown>>;
  readonly gone: readonly string[];
}

/** The part `client`. */
export interface PageClient {
  /** Name of the Graylane client. */
  readonly client: string;
  /** Of this library. */
  readonly version: string;
  readonly pid: number;
  /** When traffic and decisions began to be kept, epoch milliseconds. */
  readonly sinceMs: number;
  readonly consul: readonly Omit<AgentLoad, 'illForMs'>[];
  readonly refusedLabels: Readonly<Record<string, number>>;
}

/** A part `service/TARGET`: a service in short. */
export interface PageService {
  readonly service: string;
  readonly target: string;
  readonly mode: ServiceInspection['mode'];
  readonly revision: string | undefined;
  readonly origin: string | undefined;
  readonly datacenters: readonly string[];
  /** In the order of the policy. */
  readonly subsets: readonly string[];
  readonly endpoints: EndpointCounts;
  /** Attempts of the last seconds, by subset. */
  readonly recent: readonly SubsetTraffic[];
  readonly notices: readonly PageNotice[];
}

export interface EndpointCounts {
  readonly all: number;
  /** With a connection that is ready. */
  readonly ready: number;
  /** Critical, or of weight 0. */
  readonly unusable: number;
  /** With a breaker that is not closed. */
  readonly broken: number;
}

export interface SubsetTraffic {
  readonly subset: string;
  readonly attempts: number;
  readonly failed: number;
}

/** What somebody on call should know of a service. `text` is in English: it comes from where it happened. */
export interface PageNotice {
  readonly kind:
    | 'pending'
    | 'stale'
    | 'unanswered'
    | 'held'
    | 'partial'
    | 'connectOnly'
    | 'rejectedEntries'
    | 'policyRejected'
    | 'policyFailure'
    | 'policyOrphaned'
    | 'override'
    | 'guard'
    | 'subsetBreaker'
    | 'endpointBreakers'
    | 'fault'
    | 'shortfall'
    | 'warning'
    | 'unassigned'
    | 'observe';
  readonly tone: 'bad' | 'warn' | 'quiet';
  /** What it is about: a datacenter, a subset, a fault. */
  readonly about?: string | undefined;
  readonly count?: number | undefined;
  readonly text?: string | undefined;
  /** Epoch milliseconds, whole seconds. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

/** A part `endpoint/...`. What is as usual is left out. */
export interface PageEndpoint {
  readonly endpoint: string;
  readonly instance: string;
  readonly datacenter: string;
  readonly zone?: string | undefined;
  readonly lane?: string | undefined;
  readonly subsets: readonly string[];
  readonly status: string;
  readonly weight: number;
  readonly inFlight: number;
  readonly latencyMs: number;
  /** 1 is usual. */
  readonly slowness: number;
  readonly breaker?: BreakerState | undefined;
  /** Of the breaker's window; undefined without a failure so far. */
  readonly outcomes?: { readonly successes: number; readonly failures: number } | undefined;
  readonly connections: readonly string[];
  /** Calls on its HTTP/2 connections, and the most that its peer allows. */
  readonly streams?: { readonly now: number; readonly limit: number | undefined } | undefined;
  /** Why it gets no ordinary calls; undefined: it does. */
  readonly heldOut?: string | undefined;
}

/** The part `traffic`: attempts since counting began, one row for each way that calls went. */
export type PageTraffic = readonly TrafficRow[];

export interface TrafficRow {
  readonly subset: string;
  readonly datacenter: string;
  /** Step of the failover order; 0 is the one that was wanted. */
  readonly tier: number;
  readonly attempts: number;
  readonly failed: number;
  /** Attempts of the last seconds. */
  readonly recent: number;
  readonly recentFailed: number;
  /** Mean time to the first response of the attempts of the last seconds; undefined without any. */
  readonly recentMs: number | undefined;
}

/** The part `history`: attempts by subset in steps of some seconds, the oldest first. */
export interface PageHistory {
  readonly stepMs: number;
  /** End of each step, epoch milliseconds. */
  readonly times: readonly number[];
  readonly subsets: readonly {
    readonly subset: string;
    readonly attempts: readonly number[];
    readonly failed: readonly number[];
  }[];
}

/** Of the path `/traffic`. */
export interface ServiceTraffic extends PageHistory {
  readonly service: string;
  readonly target: string;
}

/** The event `decisions`: the newest of those since the last such event, the oldest first. */
export interface PageDecisions {
  /** How many there were. */
  readonly total: number;
  readonly list: readonly PageDecision[];
}

export interface PageDecision {
  /** Ascending; of no other meaning. */
  readonly number: number;
  readonly atMs: number;
  readonly method: string;
  readonly by: string;
  readonly route: string;
  readonly subset: string;
  readonly revision: string;
  readonly sticky: boolean;
}
