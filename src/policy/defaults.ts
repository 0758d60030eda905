import { failoverPlaces } from './destinations';
import type {
  BalancingDocument,
  BreakerDocument,
  GuardDocument,
  LocalityDocument,
  RetryDocument,
  StatusName,
  SubsetBreakerDocument,
} from './document';
import type { BalancingPlan, BreakerPlan, GuardPlan, LocalityPlan, Plan, RetryPlan, SubsetBreakerPlan } from './plan';

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

export const DEFAULT_RETRY_BUDGET: Plan['retryBudget'] = { percent: 20, minPerSecond: 0.5 };

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

export const DEFAULT_LOCALITY: LocalityPlan = { failover: undefined, prefer: 'subset', zones: 'off' };

const RESET_BOUNDS = ['resetTimeoutMs', 'maxResetTimeoutMs'] as const;

const DEFAULT_GUARD: Omit<GuardPlan, 'against'> = {
  minimumCalls: 20,
  maxExcessFailurePercentage: 5,
  maxLatencyFactor: undefined,
  windowMs: 60_000,
  holdMs: 60_000,
  maxHoldMs: 600_000,
  dryRun: false,
};

export function resolveRetry(retry: RetryDocument): RetryPlan {
  return resolve(DEFAULT_RETRY, ['initialBackoffMs', 'maxBackoffMs'], retry);
}

export function resolveBalancing(balancing: BalancingDocument): BalancingPlan {
  return { ...DEFAULT_BALANCING, ...balancing, hashBy: balancing.hashBy?.toLowerCase() };
}

export function resolveLocality(locality: LocalityDocument): LocalityPlan {
  return { ...DEFAULT_LOCALITY, ...locality, failover: failoverPlaces(locality.failover) };
}

export function resolveBreaker(...documents: readonly (BreakerDocument | undefined)[]): BreakerPlan {
  const { failureStatusCodes = DEFAULT_FAILURE_STATUS_CODES, ...merged }: BreakerDocument = Object.assign(
    {},
    ...documents,
  );
  return {
    ...resolve(DEFAULT_BREAKER, RESET_BOUNDS, merged),
    failureStatusCodes: new Set(failureStatusCodes),
  };
}

export function resolveSubsetBreaker(...documents: readonly (SubsetBreakerDocument | undefined)[]): SubsetBreakerPlan {
  return resolve(DEFAULT_SUBSET_BREAKER, RESET_BOUNDS, ...documents);
}

export function resolveGuard(guard: GuardDocument, fallback: string): GuardPlan {
  return resolve({ ...DEFAULT_GUARD, against: fallback }, ['holdMs', 'maxHoldMs'], guard);
}

/**
 * Later documents win key by key: the subset's over the policy's over the defaults. Of two bounds the one that was left
 * out gives way to the one that was written; those of different documents may contradict one another.
 */
function resolve<T extends object>(
  defaults: T,
  [least, most]: readonly [keyof T, keyof T],
  ...documents: readonly (object | undefined)[]
): T {
  const written: Partial<Record<keyof T, unknown>> = Object.assign({}, ...documents);
  const merged = { ...defaults, ...written } as Record<keyof T, unknown>;
  if (written[least] === undefined) merged[least] = Math.min(Number(merged[least]), Number(merged[most]));
  merged[most] = Math.max(Number(merged[least]), Number(merged[most]));
  return merged as T;
}
