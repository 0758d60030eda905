import { DEFAULT_RETRY } from '../defaults';
import type { Decision, RetryPlan } from '../plan';

/**
 * How a call may run again, by the word of its owner; undefined: at most once. `isIdempotent`: the method's definition
 * says so, by its `idempotency_level`. `channel`: what the channel's own service config says; the policy's word goes
 * before it. What no server can have seen is tried elsewhere in any case.
 */
export function retryOf(
  decision: Decision,
  method: string,
  isIdempotent: boolean,
  channel?: RetryPlan,
): RetryPlan | undefined {
  const { retry, hedging, plan } = decision;
  if (hedging !== undefined) return undefined;
  if (retry !== undefined) return retry === 'off' || retry.maxAttempts < 2 ? undefined : retry;
  if (channel !== undefined) return channel;
  return isIdempotent || plan.idempotent?.has(method) === true ? DEFAULT_RETRY : undefined;
}

/** The same in words: `at most once: ...` or `up to 3 attempts, again after UNAVAILABLE: ...`. */
export function describeRetry(decision: Decision, method: string, isIdempotent: boolean): string {
  const { retry, hedging } = decision;
  if (hedging !== undefined) return `up to ${hedging.maxAttempts} attempts side by side: hedging in the policy`;
  const plan = retryOf(decision, method, isIdempotent);
  if (plan === undefined)
    return `at most once: ${retry === undefined ? 'nothing says that it may run again' : 'retry off'}`;
  const idempotent = isIdempotent ? "the method's idempotency_level" : 'idempotent in the policy';
  const because = retry === undefined ? idempotent : 'retry in the policy';
  return `up to ${plan.maxAttempts} attempts, again after ${plan.retryableStatusCodes.join(', ')}: ${because}`;
}
