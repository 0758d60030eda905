import { failoverPlaces } from './destinations';
import type {
  BalancingDocument,
  BreakerDocument,
  GuardDocument,
  HedgingDocument,
  LocalityDocument,
  RetryBudgetDocument,
  RetryDocument,
  StatusName,
  SubsetBreakerDocument,
} from './document';
import type {
  BalancingPlan,
  BreakerPlan,
  GuardPlan,
  HedgingPlan,
  LocalityPlan,
  Plan,
  RetryPlan,
  SubsetBreakerPlan,
} from './plan';

/**
 * What a policy that says `retry: {}` gets, and calls of idempotent methods where the policy says nothing of retries.
 */
export const DEFAULT_RETRY: RetryPlan = {
  maxAttempts: 2,
  retryableStatusCodes: ['UNAVAILABLE'],
  initialBackoffMs: 20,
  maxBackoffMs: 200,
  backoffMultiplier: 2,
};

const DEFAULT_RETRY_BUDGET: Plan['retryBudget'] = { percent: 20, minPerSecond: 0.5 };

export const DEFAULT_BALANCING: BalancingPlan = {
  algorithm: 'peak_ewma',
  slowStartMs: 0,
  hashBy: undefined,
  subsetSize: undefined,
  drainMs: undefined,
  connectionsPerEndpoint: 2,
};

const DEFAULT_FAILURE_STATUS_CODES: readonly StatusName[] = [
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'INTERNAL',
  'UNKNOWN',
  'RESOURCE_EXHAUSTED',
  'DATA_LOSS',
];

export const DEFAULT_SUBSET_BREAKER: SubsetBreakerPlan = {
  enabled: true,
  errorThresholdPercentage: 50,
  volumeThreshold: 10,
  resetTimeoutMs: 5_000,
  maxResetTimeoutMs: 60_000,
  rollingCountTimeoutMs: 10_000,
};

export const DEFAULT_BREAKER: BreakerPlan = {
  enabled: true,
  errorThresholdPercentage: 50,
  volumeThreshold: 5,
  consecutiveFailures: 5,
  silentFailures: 2,
  slowCallMs: undefined,
  rollingCountTimeoutMs: 10_000,
  resetTimeoutMs: 5_000,
  maxResetTimeoutMs: 60_000,
  maxEjectionPercentage: 50,
  failureStatusCodes: new Set(DEFAULT_FAILURE_STATUS_CODES),
};

const DEFAULT_GUARD: Omit<GuardPlan, 'against'> = {
  minimumCalls: 20,
  maxExcessFailurePercentage: 5,
  maxLatencyFactor: undefined,
  windowMs: 60_000,
  holdMs: 60_000,
  maxHoldMs: 600_000,
  dryRun: false,
};

/** Of two bounds the one that was left out gives way to the one that was written. */
export function resolveRetry(retry: RetryDocument | 'off' | undefined): RetryPlan | 'off' | undefined {
  if (retry === undefined || retry === 'off') return retry;
  const merged = { ...DEFAULT_RETRY, ...retry };
  if (retry.maxBackoffMs === undefined) merged.maxBackoffMs = Math.max(merged.maxBackoffMs, merged.initialBackoffMs);
  if (retry.initialBackoffMs === undefined) {
    merged.initialBackoffMs = Math.min(merged.initialBackoffMs, merged.maxBackoffMs);
  }
  return merged;
}

export function resolveHedging(hedging: HedgingDocument | undefined): HedgingPlan | undefined {
  return hedging === undefined ? undefined : { maxAttempts: 2, nonFatalStatusCodes: ['UNAVAILABLE'], ...hedging };
}

export function resolveRetryBudget(budget: RetryBudgetDocument | undefined): Plan['retryBudget'] {
  return { ...DEFAULT_RETRY_BUDGET, ...budget };
}

export function resolveBalancing(balancing: BalancingDocument | undefined): BalancingPlan {
  return { ...DEFAULT_BALANCING, ...balancing, hashBy: balancing?.hashBy?.toLowerCase() };
}

export function resolveLocality(locality: LocalityDocument | undefined): LocalityPlan {
  return {
    failover: failoverPlaces(locality?.failover),
    prefer: locality?.prefer ?? 'subset',
    zones: locality?.zones ?? 'off',
    ...(locality?.zoneClients !== undefined && { zoneClients: locality.zoneClients }),
  };
}

/** Later documents win key by key: the subset's over the policy's over the defaults. */
export function resolveBreaker(...documents: readonly (BreakerDocument | undefined)[]): BreakerPlan {
  const merged: BreakerDocument = Object.assign({}, ...documents);
  const { failureStatusCodes, ...rest } = merged;
  return {
    ...DEFAULT_BREAKER,
    ...rest,
    ...resetBounds(merged, DEFAULT_BREAKER),
    failureStatusCodes: new Set(failureStatusCodes ?? DEFAULT_FAILURE_STATUS_CODES),
  };
}

export function resolveSubsetBreaker(...documents: readonly (SubsetBreakerDocument | undefined)[]): SubsetBreakerPlan {
  const merged: SubsetBreakerDocument = Object.assign({}, ...documents);
  return { ...DEFAULT_SUBSET_BREAKER, ...merged, ...resetBounds(merged, DEFAULT_SUBSET_BREAKER) };
}

export function resolveGuard(guard: GuardDocument, fallback: string): GuardPlan {
  const holdMs = guard.holdMs ?? Math.min(DEFAULT_GUARD.holdMs, guard.maxHoldMs ?? DEFAULT_GUARD.holdMs);
  const maxHoldMs = Math.max(DEFAULT_GUARD.maxHoldMs, holdMs);
  return { ...DEFAULT_GUARD, against: fallback, maxHoldMs, ...guard, holdMs };
}

function resetBounds(
  written: SubsetBreakerDocument,
  defaults: SubsetBreakerPlan,
): Pick<SubsetBreakerPlan, 'resetTimeoutMs' | 'maxResetTimeoutMs'> {
  const most = written.maxResetTimeoutMs ?? Math.max(defaults.maxResetTimeoutMs, written.resetTimeoutMs ?? 0);
  const least = written.resetTimeoutMs ?? Math.min(defaults.resetTimeoutMs, most);
  // Bounds that come from different documents may contradict one another.
  return { resetTimeoutMs: least, maxResetTimeoutMs: Math.max(most, least) };
}
