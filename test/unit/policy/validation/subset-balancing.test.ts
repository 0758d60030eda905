import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../../src/policy/compile';
import type { Plan } from '../../../../src/policy/plan';
import { validatePolicy } from '../../../../src/policy/validate';

const policy = (balancing: unknown, ofPolicy?: object): object => ({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], balancing } },
  default: 'stable',
  ...(ofPolicy && { balancing: ofPolicy }),
});
const problemsOf = (balancing: unknown): readonly string[] =>
  validatePolicy(policy(balancing), { service: 'payments' }).problems.map(({ message }) => message);
const planOf = (balancing: unknown, ofPolicy?: object): Plan =>
  compilePolicy({ content: policy(balancing, ofPolicy), format: 'object' }, { service: 'payments', origin: 'inline' });

describe('balancing of a subset', () => {
  it.each<[string, unknown, string]>([
    [
      'no label for the ring',
      { algorithm: 'ring_hash' },
      'hashBy: missing (expected: the label that places a call on the ring)',
    ],
    [
      'a label without a ring',
      { algorithm: 'random', hashBy: 'x-a' },
      'hashBy: "x-a" (expected: nothing, or algorithm: ring_hash)',
    ],
    [
      'credentials',
      { algorithm: 'ring_hash', hashBy: 'Cookie' },
      'hashBy: "Cookie" (expected: a key that holds no credentials; cookie:name is one cookie)',
    ],
    [
      'another algorithm',
      { algorithm: 'maglev' },
      'algorithm: "maglev" (expected: one of peak_ewma, least_request, round_robin, random, ring_hash)',
    ],
    [
      'slow start',
      { algorithm: 'random', slowStartMs: 1 },
      'slowStartMs: 1 (expected: a known key; slowStartMs stands in balancing of the policy: an endpoint has one weight, whatever its subset)',
    ],
    [
      'a share of the endpoints',
      { algorithm: 'random', subsetSize: 1 },
      'subsetSize: 1 (expected: a known key; subsetSize stands in balancing of the policy: it says which endpoints a client is connected to)',
    ],
    [
      'a time to drain',
      { algorithm: 'random', drainMs: 1 },
      'drainMs: 1 (expected: a known key; drainMs stands in balancing of the policy: connections belong to endpoints, whatever their subset)',
    ],
    [
      'connections',
      { algorithm: 'random', connectionsPerEndpoint: 1 },
      'connectionsPerEndpoint: 1 (expected: a known key; here in balancing of the policy: connections belong to endpoints, whatever their subset)',
    ],
  ])('refuses %s', (_, balancing, expected) => {
    expect(problemsOf(balancing)).toEqual([`subsets.canary.balancing.${expected}`]);
  });

  it('stands in place of the algorithm and the label, and leaves the rest of the policy in force', () => {
    const plan = planOf(
      { algorithm: 'round_robin' },
      { algorithm: 'ring_hash', hashBy: 'X-User', connectionsPerEndpoint: 4 },
    );
    expect(plan.subsets.get('canary')?.balancing).toMatchObject({
      algorithm: 'round_robin',
      hashBy: undefined,
      connectionsPerEndpoint: 4,
    });
    expect(plan.subsets.get('stable')?.balancing).toBeUndefined();
    expect(plan.labelKeys).toEqual(['x-user']);
  });

  it('reads the labels of all subsets', () => {
    expect(planOf({ algorithm: 'ring_hash', hashBy: 'X-Tenant' }).labelKeys).toEqual(['x-tenant']);
  });
});
