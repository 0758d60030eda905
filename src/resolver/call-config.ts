import type { CallConfig, FilterFactory } from '../internal/grpc';
import { DEFAULT_RETRY } from '../policy/defaults';
import type { RetryPlan } from '../policy/plan';
import type { LaneCall } from './lane-call';

/** grpc-js' own limit on attempts, which a call that is not decided yet starts with. */
const MOST_ATTEMPTS = 5;
const NONE: string[] = [];
const NO_FILTERS: FilterFactory[] = [];

/** Turns a call (decided or not) into grpc-js' config for it. */
export function createCallConfig(call: LaneCall, filters: FilterFactory[] = NO_FILTERS): CallConfig {
  const { decision } = call;
  const mayRetry = decision === undefined || retryOf(call) !== undefined;
  return {
    methodConfig: {
      name: [],
      ...(decision?.timeoutMs === undefined ? {} : { timeout: duration(decision.timeoutMs) }),
      ...(mayRetry ? { retryPolicy: new CallRetryPolicy(call) } : {}),
    },
    pickInformation: call as unknown as CallConfig['pickInformation'],
    status: 0,
    dynamicFilterFactories: filters,
  };
}

/** Undefined: one attempt and no more. */
function retryOf(call: LaneCall): RetryPlan | undefined {
  if (call.context?.noRetry === true) return undefined;
  const retry = call.decision?.retry ?? DEFAULT_RETRY;
  return retry === 'off' || retry.maxAttempts < 2 ? undefined : retry;
}

/**
 * The retry policy of one call. grpc-js reads `retryableStatusCodes` at each failure, which makes a getter the place to
 * say no without hiding the real status; the rest it reads as the call goes on, except `maxAttempts` and
 * `initialBackoff`, which it takes when the call begins.
 */
class CallRetryPolicy {
  readonly #call: LaneCall;

  constructor(call: LaneCall) {
    this.#call = call;
  }

  get maxAttempts(): number {
    return this.#call.decision === undefined ? MOST_ATTEMPTS : this.#plan.maxAttempts;
  }

  get initialBackoff(): string {
    return seconds(this.#plan.initialBackoffMs);
  }

  get maxBackoff(): string {
    return seconds(this.#plan.maxBackoffMs);
  }

  get backoffMultiplier(): number {
    return this.#plan.backoffMultiplier;
  }

  get retryableStatusCodes(): string[] {
    const retry = retryOf(this.#call);
    if (retry === undefined || this.#call.isRefused) return NONE;
    if ((this.#call.tried?.length ?? 0) >= retry.maxAttempts) return NONE;
    return retry.retryableStatusCodes as string[];
  }

  get #plan(): RetryPlan {
    return retryOf(this.#call) ?? DEFAULT_RETRY;
  }
}

function seconds(milliseconds: number): string {
  return `${milliseconds / 1000}s`;
}

function duration(milliseconds: number): { seconds: number; nanos: number } {
  const whole = Math.floor(milliseconds / 1000);
  return { seconds: whole, nanos: Math.round((milliseconds - whole * 1000) * 1_000_000) };
}
