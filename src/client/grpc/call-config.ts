import type { HedgingPlan } from '../../policy/plan';
import type { CallConfig, FilterFactory } from './grpc-js';
import { type LaneCall, seconds } from './lane-call';

const NO_FILTERS: FilterFactory[] = [];

/**
 * Turns a call (decided or not) into grpc-js' config for it. It always has a retry policy unless it is hedged: what no
 * application can have seen is tried elsewhere more often than the once that grpc-js does by itself (gRFC A6).
 */
export function createCallConfig(call: LaneCall, filters: FilterFactory[] = NO_FILTERS): CallConfig {
  const { hedging } = call;
  const timeoutMs = call.decision?.timeoutMs ?? call.channelConfig?.timeoutMs;
  const methodConfig: CallConfig['methodConfig'] = { name: [] };
  if (timeoutMs !== undefined) methodConfig.timeout = duration(timeoutMs);
  if (hedging !== undefined) methodConfig.hedgingPolicy = hedgingPolicy(hedging);
  else methodConfig.retryPolicy = call;
  return {
    methodConfig,
    pickInformation: call as unknown as CallConfig['pickInformation'],
    status: 0,
    dynamicFilterFactories: filters,
  };
}

function hedgingPolicy(hedging: HedgingPlan): NonNullable<CallConfig['methodConfig']['hedgingPolicy']> {
  return {
    maxAttempts: hedging.maxAttempts,
    hedgingDelay: seconds(hedging.delayMs),
    nonFatalStatusCodes: [...hedging.nonFatalStatusCodes],
  };
}

function duration(milliseconds: number): { seconds: number; nanos: number } {
  const whole = Math.floor(milliseconds / 1000);
  return { seconds: whole, nanos: Math.round((milliseconds - whole * 1000) * 1_000_000) };
}
