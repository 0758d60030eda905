import { beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../../../src/base/logger';
import { OtherPolicyWatches, type OtherServices } from '../../../../src/client/state/other-policies';
import type { PolicySource } from '../../../../src/client/state/policy-sources/source';
import { type PolicyRules, UNREAD } from '../../../../src/client/state/policy-state';
import { compilePolicy, emptyPlan, withOtherPolicies } from '../../../../src/policy/compile';
import type { PolicyDocument } from '../../../../src/policy/document';
import type { Plan } from '../../../../src/policy/plan';
import type { PolicyReading } from '../../../../src/policy/policy-reading';

const next = (more: Partial<PolicyDocument> = {}): PolicyReading => ({
  kind: 'present',
  content: { schema: 1, service: 'next', subsets: { a: { tags: ['a'] }, b: { tags: ['b'] } }, default: 'a', ...more },
  format: 'object',
});
const rules: PolicyRules = {
  compile: (reading) => compilePolicy(reading, { service: 'next', origin: 'kv' }),
  withoutPolicy: emptyPlan('next'),
  requirePolicy: false,
  isObserving: false,
};
const own = (to: unknown): Plan => {
  const content = { schema: 1, service: 'payments', routes: [{ name: 'all', to }] };
  return compilePolicy({ content, format: 'object' }, { service: 'payments', origin: 'kv' });
};
const plan = own({ service: 'next' });

let tell: (reading: PolicyReading) => void;
let isWatched: boolean;
let onChange: () => void;

beforeEach(() => {
  isWatched = false;
  onChange = vi.fn();
});

function watches(lastKnownGood?: ReadonlyMap<string, typeof UNREAD>): OtherPolicyWatches {
  const policies: PolicySource = {
    origin: 'kv',
    watch: (_, listener) => {
      tell = listener;
      isWatched = true;
      return { close: () => (isWatched = false) };
    },
  };
  const others: OtherServices = {
    of: () => ({ policies, rules }),
    join: (each, known) => withOtherPolicies(each, known, {}),
  };
  return new OtherPolicyWatches(others, silentLogger, lastKnownGood, () => onChange());
}

const tagsOf = (joined: Plan | undefined): unknown => joined?.subsets.get('next')?.tags;

describe('the policy of another service', () => {
  it.each([
    { name: 'not answered', reading: undefined, why: 'next: policy not known (no answer yet)' },
    {
      name: 'forbidden',
      reading: { kind: 'error', reason: 'HTTP 403' } as const,
      why: 'next: policy not known (HTTP 403)',
    },
    {
      name: 'not valid',
      reading: next({ default: 'c' }),
      why: expect.stringContaining('next: no policy is in force (refused: default: "c"') as unknown as string,
    },
  ])('is waited for while it is $name', ({ reading, why }) => {
    const others = watches();
    expect(others.join(plan)).toBeUndefined();
    if (reading !== undefined) tell(reading);
    expect(others.join(plan)).toBeUndefined();
    expect(others.pending()).toEqual([why]);
    tell(next());
    expect(onChange).toHaveBeenCalledTimes(1);
    expect(tagsOf(others.join(plan))).toEqual(['a']);
    expect(others.pending()).toEqual([]);
  });

  it('is none only by Consul’s own word: then all instances are meant', () => {
    const others = watches();
    others.join(plan);
    tell({ kind: 'absent' });
    expect(tagsOf(others.join(plan))).toEqual([]);
  });

  it.each([
    { name: 'a failure to read', reading: { kind: 'error', reason: 'HTTP 500' } as const },
    { name: 'a deletion', reading: { kind: 'absent' } as const },
    { name: 'a revision that is refused', reading: next({ default: 'c' }) },
  ])('stays as it was after $name', ({ reading }) => {
    const others = watches();
    others.join(plan);
    tell(next({ default: 'b' }));
    const joined = others.join(plan);
    expect(tagsOf(joined)).toEqual(['b']);
    tell(reading);
    expect(others.join(plan)).toBe(joined);
  });

  it('of an earlier process serves while it cannot be read, and not while it is only slow', () => {
    const known = new Map([['next', { ...UNREAD, plan: rules.compile(next({ default: 'b' }) as never) }]]);
    const others = watches(known);
    expect(others.join(plan)).toBeUndefined();
    tell({ kind: 'error', reason: 'timeout' });
    expect(tagsOf(others.join(plan))).toEqual(['b']);
    tell(next());
    expect(tagsOf(others.join(plan))).toEqual(['a']);
  });

  it('is watched only while a plan names the service', () => {
    const others = watches();
    const alone = own('*');
    expect(others.join(alone)).toBe(alone);
    expect(isWatched).toBe(false);
    others.join(plan);
    expect(isWatched).toBe(true);
    others.join(alone);
    expect(isWatched).toBe(false);
  });
});
