import { DEFAULT_RETRY } from '../policy/defaults';
import type { Decision, RetryPlan } from '../policy/plan';
import type { CallContext } from './call-context';

/** How a call is retried. Undefined: one attempt and no more. */
export function retryOf(call: {
  readonly context: CallContext | undefined;
  readonly decision: Decision | undefined;
}): RetryPlan | undefined {
  if (call.context?.noRetry === true) return undefined;
  if (call.decision?.hedging !== undefined) return undefined;
  const retry = call.decision?.retry ?? DEFAULT_RETRY;
  return retry === 'off' || retry.maxAttempts < 2 ? undefined : retry;
}
