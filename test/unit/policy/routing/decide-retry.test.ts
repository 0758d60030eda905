import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../../src/policy/compile';
import type { PolicyDocument } from '../../../../src/policy/document';
import { describeRetry, retryOf } from '../../../../src/policy/routing/decide';

const CHARGE = '/shop.v1.Payments/Charge';
const UNSAID = 'at most once: nothing says that it may run again';

function decisionOf(policy: Partial<PolicyDocument>) {
  const content = { schema: 1, service: 'payments', ...policy };
  return compilePolicy({ content, format: 'object' }, { service: 'payments', origin: 'inline' }).fallthrough;
}

describe('how often a call may run', () => {
  it.each<[Partial<PolicyDocument>, boolean, string]>([
    [{}, false, UNSAID],
    [{ idempotent: ['/shop.v1.Payments/Refund'] }, false, UNSAID],
    [{ retry: 'off' }, true, 'at most once: retry off'],
    [{ retry: 'off', idempotent: [CHARGE] }, false, 'at most once: retry off'],
    [{}, true, "up to 2 attempts, again after UNAVAILABLE: the method's idempotency_level"],
    [{ idempotent: [CHARGE] }, false, 'up to 2 attempts, again after UNAVAILABLE: idempotent in the policy'],
    [
      { idempotent: ['/shop.v1.Payments/'] },
      false,
      'up to 2 attempts, again after UNAVAILABLE: idempotent in the policy',
    ],
    [
      { retry: { maxAttempts: 3, retryableStatusCodes: ['UNAVAILABLE', 'ABORTED'] }, idempotent: [CHARGE] },
      true,
      'up to 3 attempts, again after UNAVAILABLE, ABORTED: retry in the policy',
    ],
  ])('%j, method marked: %s', (policy, isIdempotent, words) => {
    const decision = decisionOf(policy);
    expect(describeRetry(decision, CHARGE, isIdempotent)).toBe(words);
    expect(retryOf(decision, CHARGE, isIdempotent) === undefined).toBe(words.startsWith('at most once'));
  });
});
