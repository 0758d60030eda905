import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../../src/policy/compile';
import type { PolicyDocument } from '../../../../src/policy/document';
import { tierOrder } from '../../../../src/policy/membership/tiers';
import type { Plan } from '../../../../src/policy/plan';
import { validatePolicy } from '../../../../src/policy/validate';

function planOf(document: object, others: readonly object[] = []): Plan {
  const compile = (content: object, policies?: ReadonlyMap<string, Plan>): Plan => {
    const { service } = content as PolicyDocument;
    const options = { service, origin: 'inline', ...(policies && { policies }) } as const;
    return compilePolicy({ content, format: 'object' }, options);
  };
  const known = others.map((content) => [(content as PolicyDocument).service, compile(content)] as const);
  return compile({ schema: 1, service: 'payments', ...document }, new Map(known));
}

const TWO = { subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } }, default: 'stable' };
const NEXT = {
  schema: 1,
  service: 'next',
  subsets: {
    a: { tags: ['a'], breaker: { volumeThreshold: 7 }, limits: { maxInFlight: 3 } },
    b: { tags: ['b'], fallback: 'c', guard: { against: 'a' } },
    c: { tags: ['c'], fallback: { datacenter: 'dc9', subset: 'a' } },
    d: { tags: ['d'], fallback: { service: 'payments' } },
  },
  default: 'a',
};
const all = (to: unknown, more: object = {}): object => ({ ...TWO, routes: [{ name: 'all', to, ...more }] });
const orderOf = (plan: Plan, known: readonly string[]): string[] => {
  const [route] = plan.routes;
  const destination = route?.split.entries[0]?.decision.destination;
  if (destination === undefined) throw new Error('a route with a destination');
  const whereabouts = { datacenters: known, reach: known.filter((each) => each.startsWith('dc') && each !== 'dc9') };
  return tierOrder(plan, destination, whereabouts).map(({ subset, datacenter }) => `${subset}@${datacenter}`);
};

describe('the subset of another service', () => {
  it('is as its own policy has it, with the fallbacks and the guard that it has there', () => {
    const { subsets, services, elsewhere } = planOf(all({ service: 'next', subset: 'b' }), [NEXT]);
    expect([...subsets.keys()]).toEqual(['stable', 'canary', 'next/b', 'next/c', 'next/a']);
    expect(subsets.get('next/b')).toMatchObject({
      service: 'next',
      tags: ['b'],
      fallback: 'next/c',
      guard: { against: 'next/a' },
    });
    expect(subsets.get('next/c')).toMatchObject({ fallback: 'next/a', fallbackPlace: 'dc9' });
    expect(subsets.get('next/a')).toMatchObject({ breaker: { volumeThreshold: 7 }, limits: { maxInFlight: 3 } });
    expect(services).toEqual(['next']);
    expect(elsewhere?.map(({ service, datacenter }) => [service, datacenter])).toEqual([
      ['next', ''],
      ['next', 'dc9'],
    ]);
  });

  it.each([
    { name: 'the default', to: { service: 'next' }, subset: 'next', tags: ['a'], missing: undefined },
    { name: 'all without a policy', to: { service: 'bare' }, subset: 'bare', tags: [], missing: undefined },
    {
      name: 'none of a service without a policy',
      to: { service: 'bare', subset: 'a' },
      subset: 'bare/a',
      tags: [],
      missing: 'bare has no policy, so no subset a',
    },
    {
      name: 'no fallback over services',
      to: { service: 'next', subset: 'd' },
      subset: 'next/d',
      tags: ['d'],
      missing: undefined,
    },
    {
      name: 'unknown where the policy is not known',
      to: { service: 'far', subset: 'a' },
      subset: 'far/a',
      tags: [],
      missing: 'the policy of far is not known',
    },
  ])('is $name', ({ to, subset, tags, missing }) => {
    const bare = { schema: 1, service: 'bare', tombstone: true };
    const plan = planOf(all(to), [NEXT, bare]);
    expect(plan.routes[0]?.split.entries[0]?.decision.destination).toMatchObject({ subset, chain: [subset] });
    expect(plan.subsets.get(subset)).toMatchObject({ tags, fallback: undefined });
    expect(plan.subsets.get(subset)?.missing).toBe(missing);
  });

  it('has a name of its own where an own subset is called as the service is', () => {
    const plan = planOf(all({ service: 'canary' }), [{ ...NEXT, service: 'canary' }]);
    expect([...plan.subsets.keys()]).toEqual(['stable', 'canary', 'canary/*']);
    expect(plan.subsets.get('canary/*')).toMatchObject({ service: 'canary', tags: ['a'] });
  });

  it('is nothing else than the own one where the service is the policy’s own', () => {
    const plan = planOf(all({ service: 'payments', subset: 'canary' }));
    expect([...plan.subsets.keys()]).toEqual(['stable', 'canary']);
    expect(plan.services).toBeUndefined();
    expect(plan.routes[0]?.split.entries[0]?.subset).toBe('canary');
  });
});

describe('the order of places', () => {
  const failover = { locality: { failover: ['dc3'] } };
  it.each([
    { name: 'pinned', plan: () => planOf(all({ datacenter: 'dc2' })), order: ['stable@dc2'] },
    {
      name: 'pinned, its fallback at the same place',
      plan: () =>
        planOf({
          ...TWO,
          subsets: { ...TWO.subsets, canary: { tags: ['canary'], fallback: 'stable' } },
          routes: [{ name: 'all', to: { subset: 'canary', datacenter: 'dc2' } }],
        }),
      order: ['canary@dc2', 'stable@dc2'],
    },
    {
      name: 'pinned with a failover',
      plan: () => planOf(all({ datacenter: 'dc2' }, { failover: ['dc1', 'dc2', 'dc7'] })),
      order: ['stable@dc2', 'stable@dc1'],
    },
    {
      name: 'of a route',
      plan: () => planOf({ ...all('canary', { failover: [{ peer: 'cloud' }, 'dc2'] }), ...failover }),
      order: ['canary@dc1', 'canary@peer cloud', 'canary@dc2'],
    },
    {
      name: 'of a route that stays',
      plan: () => planOf({ ...all('canary', { failover: [] }), ...failover }),
      order: ['canary@dc1'],
    },
    {
      name: 'of a fallback that is pinned',
      plan: () =>
        planOf({
          ...TWO,
          subsets: { ...TWO.subsets, canary: { tags: ['canary'], fallback: { datacenter: 'dc2' } } },
          routes: [{ name: 'all', to: 'canary' }],
          ...failover,
        }),
      order: ['canary@dc1', 'canary@dc3', 'stable@dc2'],
    },
    {
      name: 'of a fallback that is pinned, datacenters first',
      plan: () =>
        planOf({
          ...TWO,
          subsets: { ...TWO.subsets, canary: { tags: ['canary'], fallback: { datacenter: 'dc3' } } },
          routes: [{ name: 'all', to: 'canary' }],
          locality: { failover: ['dc3'], prefer: 'datacenter' },
        }),
      order: ['canary@dc1', 'canary@dc3', 'stable@dc3'],
    },
    {
      name: 'of another service, then of the own subset that stands in for it, where that always is',
      plan: () => planOf(all({ service: 'x', datacenter: 'dc9', fallback: 'canary' })),
      order: ['x@dc9', 'canary@dc1', 'canary@dc2', 'canary@dc3'],
    },
    {
      name: 'of a destination that nothing pins: not the places that others are pinned to',
      plan: () => planOf(all('canary')),
      order: ['canary@dc1', 'canary@dc2', 'canary@dc3'],
    },
  ])('is that $name', ({ plan, order }) => {
    expect(orderOf(plan(), ['dc1', 'dc2', 'dc3', 'dc9', 'peer cloud'])).toEqual(order);
  });
});

describe('a destination that cannot be', () => {
  const told = (document: object): readonly string[] =>
    validatePolicy({ schema: 1, service: 'payments', ...TWO, ...document }, { service: 'payments' }).problems.map(
      ({ message }) => message,
    );

  it.each([
    [all({}), /^routes\[0\]\.to: \{\} \(expected: at least 1 of them\)/],
    [
      all({ subset: 'canray' }),
      /^routes\[0\]\.to\.subset: "canray" \(expected: one of stable, canary; did you mean canary\?\)/,
    ],
    [all({ service: 'payments', subset: 'canray' }), /^routes\[0\]\.to\.subset: "canray"/],
    [all({ service: 'x', fallback: 'canray' }), /^routes\[0\]\.to\.fallback: "canray" .*did you mean canary\?/],
    [
      all({ subset: 'canary', fallback: 'stable' }),
      /^routes\[0\]\.to\.fallback: "stable" \(expected: nothing, or another/,
    ],
    [
      { override: { to: { service: 'x', fallback: 'stable' }, until: '2199-01-01T00:00:00Z' } },
      /^override\.to\.fallback: "stable" \(expected: nothing; where a route sends calls/,
    ],
    [all({ service: 'a/b' }), /^routes\[0\]\.to\.service: "a\/b" \(expected: a service name of letters, digits/],
    [
      all({ datacenter: 'dc2', peer: 'cloud' }),
      /^routes\[0\]\.to\.peer: beside datacenter \(expected: one of datacenter and peer\)/,
    ],
    [
      all({ datacentre: 'dc2' }),
      /^routes\[0\]\.to\.datacentre: "dc2" \(expected: a known key; did you mean datacenter\?\)/,
    ],
    [all({ peer: 'a b' }), /^routes\[0\]\.to\.peer: "a b"/],
    [all(7), /^routes\[0\]\.to: 7 \(expected: a text or an object/],
    [all('stable', { failover: ['dc2', 'dc2'] }), /^routes\[0\]\.failover: .*none given twice/],
    [
      {
        routes: [
          {
            name: 'all',
            split: [
              { to: 'canary', weight: 1 },
              { to: { subset: 'canary' }, weight: 1 },
            ],
          },
        ],
      },
      /^routes\[0\]\.split\[1\]\.to: .*each subset once in a split/,
    ],
    [
      {
        routes: [
          {
            name: 'all',
            split: [
              { to: { datacenter: 'dc2' }, weight: 1 },
              { to: { subset: 'stable', datacenter: 'dc2' }, weight: 1 },
            ],
          },
        ],
      },
      /^routes\[0\]\.split\[1\]\.to: .*each subset once in a split/,
    ],
    [
      {
        subsets: {
          stable: { tags: ['s'], fallback: { subset: 'canary', datacenter: 'dc2' } },
          canary: { fallback: { datacenter: 'dc3' } },
        },
      },
      /^subsets\.stable\.fallback: stable -> canary -> stable \(expected: fallbacks that end\)/,
    ],
    [{ subsets: { stable: { tags: ['a'], notTags: ['a'] } } }, /^subsets\.stable\.notTags\[0\]: "a"/],
    [{ override: { to: { subset: 'x' }, until: '2199-01-01T00:00:00Z' } }, /^override\.to\.subset: "x"/],
    [
      { routes: [{ name: 'all', match: { from: [] }, to: 'stable' }] },
      /^routes\[0\]\.match\.from: .*at least 1 of them/,
    ],
  ])('is refused with its path: %j', (document, message) => {
    expect(told(document)).toContainEqual(expect.stringMatching(message));
  });

  it('of a tag that begins with ! asks for notTags', () => {
    const subsets = { stable: { tags: ['!canary'] }, canary: { tags: ['canary'] } };
    const document = { schema: 1, service: 'payments', ...TWO, subsets };
    expect(validatePolicy(document, { service: 'payments' }).warnings.map(({ message }) => message)).toEqual([
      'subsets.stable.tags[0]: "!canary" (expected: a tag that instances have; notTags: [canary] asks that they do not have it)',
    ]);
  });
});
