import type { CallConfig, FilterFactory } from '../internal/grpc';
import { DEFAULT_RETRY } from '../policy/defaults';
import type { HedgingPlan, RetryPlan } from '../policy/plan';
import { retryOf } from './call-retry';
import type { LaneCall } from './lane-call';
import type { RetryGate } from './retry-gate';

/** grpc-js' own limit on attempts, which a call that is not decided yet starts with. */
const MOST_ATTEMPTS = 5;
const NO_FILTERS: FilterFactory[] = [];

/** Turns a call (decided or not) into grpc-js' config for it. */
export function createCallConfig(call: LaneCall, gate: RetryGate, filters: FilterFactory[] = NO_FILTERS): CallConfig {
  const { decision } = call;
  const hedging = call.context?.noRetry === true ? undefined : decision?.hedging;
  const mayRetry = decision === undefined || retryOf(call) !== undefined;
  const methodConfig: CallConfig['methodConfig'] = { name: [] };
  if (decision?.timeoutMs !== undefined) methodConfig.timeout = duration(decision.timeoutMs);
  if (hedging !== undefined) methodConfig.hedgingPolicy = hedgingPolicy(hedging);
  else if (mayRetry) methodConfig.retryPolicy = new CallRetryPolicy(call, gate);
  return {
    methodConfig,
    pickInformation: call as unknown as CallConfig['pickInformation'],
    status: 0,
    dynamicFilterFactories: filters,
  };
}

/**
 * The retry policy of one call. grpc-js reads `retryableStatusCodes` at each failure, which makes a getter the place to
 * say no without hiding the real status; the rest it reads as the call goes on, except `maxAttempts` and
 * `initialBackoff`, which it takes when the call begins.
 */
class CallRetryPolicy {
  readonly #call: LaneCall;
  readonly #gate: RetryGate;

  constructor(call: LaneCall, gate: RetryGate) {
    this.#call = call;
    this.#gate = gate;
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
    return this.#gate.retryableCodes(this.#call, retryOf(this.#call));
  }

  get #plan(): RetryPlan {
    return retryOf(this.#call) ?? DEFAULT_RETRY;
  }
}

function hedgingPolicy(hedging: HedgingPlan): NonNullable<CallConfig['methodConfig']['hedgingPolicy']> {
  return {
    maxAttempts: hedging.maxAttempts,
    hedgingDelay: seconds(hedging.delayMs),
    nonFatalStatusCodes: [...hedging.nonFatalStatusCodes],
  };
}

const texts = new Map<number, string>();

/** As grpc-js wants it. Each call asks for the same few. */
function seconds(milliseconds: number): string {
  const known = texts.get(milliseconds);
  if (known !== undefined) return known;
  const text = `${milliseconds / 1000}s`;
  if (texts.size < 1_000) texts.set(milliseconds, text);
  return text;
}

function duration(milliseconds: number): { seconds: number; nanos: number } {
  const whole = Math.floor(milliseconds / 1000);
  return { seconds: whole, nanos: Math.round((milliseconds - whole * 1000) * 1_000_000) };
}
