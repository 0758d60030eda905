import type {
  Algorithm,
  BreakerDocument,
  GuardDocument,
  HedgingDocument,
  LimitsDocument,
  RetryDocument,
  StatusName,
  SubsetBreakerDocument,
} from './document';

/** How calls are tried again, with all defaults applied. */
export type RetryPlan = Required<RetryDocument>;

export type HedgingPlan = Required<HedgingDocument>;

export interface BalancingPlan {
  readonly algorithm: Algorithm;
  readonly slowStartMs: number;
  readonly hashBy: string | undefined;
  /** How many endpoints `least_request` compares; undefined: two. */
  readonly choiceCount?: number;
  readonly subsetSize: number | undefined;
  readonly drainMs: number | undefined;
  readonly connectionsPerEndpoint: number;
}

export interface LocalityPlan {
  /** Places as tiers name them, peers included. Undefined: the Graylane client's own order. */
  readonly failover: readonly string[] | undefined;
  readonly prefer: 'subset' | 'datacenter';
  /**
   * How many times its share the healthy part of a tier takes on before the rest goes to the next tier. Undefined: the
   * library's own. Infinity: a tier passes nothing on while any instance in it is healthy.
   */
  readonly overprovisioning?: number;
  /** `prefer`: calls stay in the client's zone of the local datacenter as far as its capacity carries them. */
  readonly zones: 'prefer' | 'off';
  /** How many clients each zone has; undefined: equally many in every zone that has instances. */
  readonly zoneClients?: Readonly<Record<string, number>>;
}

export type BreakerPlan = Omit<Required<BreakerDocument>, 'slowCallMs' | 'failureStatusCodes'> & {
  readonly slowCallMs: number | undefined;
  readonly failureStatusCodes: ReadonlySet<StatusName>;
};

export type SubsetBreakerPlan = Required<SubsetBreakerDocument>;

/** Of each client by itself. */
export type LimitsPlan = Required<LimitsDocument>;

export type GuardPlan = Omit<Required<GuardDocument>, 'maxLatencyFactor'> & {
  /** Undefined: times are not compared. */
  readonly maxLatencyFactor: number | undefined;
};
