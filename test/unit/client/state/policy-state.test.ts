import { describe, expect, it } from 'vitest';
import { nextPolicyState, type PolicyRules, UNREAD } from '../../../../src/client/state/policy-state';
import { compilePolicy, emptyPlan } from '../../../../src/policy/compile';

const service = 'payments';

function rules(requirePolicy = false): PolicyRules {
  return {
    compile: (reading) => compilePolicy(reading, { service, origin: 'kv' }),
    withoutPolicy: emptyPlan(service),
    requirePolicy,
    isObserving: false,
  };
}

const policy = { schema: 1, service, subsets: { stable: { tags: ['stable'] } } };
const revision = { kind: 'present', content: policy, format: 'object' } as const;
const tombstone = { kind: 'present', content: { schema: 1, service, tombstone: true }, format: 'object' } as const;

describe('a policy that goes away', () => {
  it('stays in force when its key is deleted, and ends with a tombstone', () => {
    const inForce = nextPolicyState(UNREAD, revision, rules());
    const deleted = nextPolicyState(inForce, { kind: 'absent' }, rules());
    expect(deleted).toMatchObject({ isOrphaned: true, plan: { origin: 'kv' } });
    expect(deleted.plan).toBe(inForce.plan);
    const ended = nextPolicyState(deleted, tombstone, rules());
    expect(ended).toMatchObject({ isOrphaned: false, isMissing: false, plan: { origin: 'none', revision: 'none' } });
    expect(nextPolicyState(inForce, tombstone, rules(true))).toMatchObject({ isMissing: true });
  });

  it('is not ended by a tombstone that says something else as well', () => {
    const inForce = nextPolicyState(UNREAD, revision, rules());
    const content = { ...policy, tombstone: true };
    const next = nextPolicyState(inForce, { kind: 'present', content, format: 'object' }, rules());
    expect(next.plan).toBe(inForce.plan);
    expect(next.rejected?.problems[0]?.message).toBe(
      'tombstone: beside subsets (expected: alone with schema, service, minSdk and signature)',
    );
  });

  it('is not taken for absent when it cannot be read', () => {
    const failed = nextPolicyState(UNREAD, { kind: 'error', reason: '403' }, rules());
    expect(failed).toMatchObject({ plan: undefined, failure: '403' });
    const inForce = nextPolicyState(UNREAD, revision, rules());
    expect(nextPolicyState(inForce, { kind: 'error', reason: '403' }, rules()).plan).toBe(inForce.plan);
  });
});
