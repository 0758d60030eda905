import { describe, expect, it } from 'vitest';
import { definePolicy } from '../../../src/policy/define-policy';

describe('definePolicy', () => {
  it('returns the document and knows the names of its subsets', () => {
    const policy = definePolicy({
      schema: 1,
      service: 'payments',
      subsets: {
        stable: { tags: ['stable'] },
        canary: { tags: ['canary'], fallback: 'stable', guard: { against: 'stable' } },
      },
      default: 'stable',
      routes: [
        { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
        {
          name: 'all',
          split: [
            { to: 'stable', weight: 95 },
            { to: 'canary', weight: 5 },
          ],
        },
      ],
      override: { to: 'stable', until: '2026-12-01T10:00:00Z' },
    });
    expect(policy.default).toBe('stable');
    const name: 'stable' | 'canary' | undefined = policy.default;
    expect(name).toBe('stable');
  });

  // The compiler is the test here: `tsc` fails when one of these lines would compile.
  it('does not compile with a subset that is not there', () => {
    const subsets = { stable: {}, canary: {} } as const;
    const base = { schema: 1, service: 'payments', subsets } as const;
    // @ts-expect-error canray is no subset
    definePolicy({ ...base, routes: [{ name: 'r', to: 'canray' }] });
    // @ts-expect-error canray is no subset
    definePolicy({ ...base, routes: [{ name: 'r', split: [{ to: 'canray', weight: 1 }] }] });
    // @ts-expect-error canray is no subset
    definePolicy({ ...base, default: 'canray' });
    // @ts-expect-error canray is no subset
    definePolicy({ ...base, lanes: { by: 'x-lane', fallback: 'canray' } });
    definePolicy({ ...base, lanes: [{ by: 'x-lane', fallback: 'canary' }] });
    // @ts-expect-error canray is no subset
    definePolicy({ schema: 1, service: 'payments', subsets: { stable: { fallback: 'canray' } } });
    // @ts-expect-error stabel is no subset
    definePolicy({ ...base, subsets: { ...subsets, canary: { fallback: 'stable', guard: { against: 'stabel' } } } });
    // @ts-expect-error canray is no subset
    definePolicy({ ...base, override: { to: 'canray', until: '' } });
    // @ts-expect-error canray is no subset
    definePolicy({ ...base, routes: [{ name: 'r', to: { subset: 'canray' } }] });
    // @ts-expect-error canray is no subset
    definePolicy({ ...base, routes: [{ name: 'r', to: { service: 'x', fallback: 'canray' } }] });
    definePolicy({ ...base, routes: [{ name: 'r', to: { service: 'x', subset: 'y', fallback: 'canary' } }] });
    // @ts-expect-error canray is no subset
    definePolicy({ ...base, routes: [{ name: 'r', to: { subset: 'canray', datacenter: 'dc2' } }] });
    // @ts-expect-error canray is no subset
    definePolicy({ ...base, subsets: { ...subsets, canary: { fallback: { subset: 'canray' } } } });
    // @ts-expect-error canray is no subset
    definePolicy({ ...base, faults: [{ name: 'f', in: 'canray', abort: 'ABORTED', percent: 1, until: '' }] });
    // @ts-expect-error a fault without an end
    definePolicy({ ...base, faults: [{ name: 'f', in: 'canary', abort: 'ABORTED', percent: 1 }] });
    // @ts-expect-error no algorithm
    definePolicy({ ...base, subsets: { ...subsets, canary: { balancing: { algorithm: 'maglev' } } } });
    // @ts-expect-error canray is no subset
    definePolicy({ ...base, routes: [{ name: 'r', to: 'stable', mirror: { to: 'canray' } }] });
    // @ts-expect-error an unknown key
    definePolicy({ ...base, retries: 3 });
    expect(definePolicy({ ...base, default: 'canary' }).default).toBe('canary');
  });

  it('does not compile with a route that has no destination, or two', () => {
    const subsets = { stable: {}, canary: {} } as const;
    const base = { schema: 1, service: 'payments', subsets, default: 'stable' } as const;
    // @ts-expect-error neither to nor split
    definePolicy({ ...base, routes: [{ name: 'r' }] });
    // @ts-expect-error both to and split
    definePolicy({ ...base, routes: [{ name: 'r', to: 'stable', split: [{ to: 'canary', weight: 1 }] }] });
    // @ts-expect-error no key
    definePolicy({ ...base, routes: [{ name: 'r', to: {} }] });
    // @ts-expect-error datacenter and peer
    definePolicy({ ...base, routes: [{ name: 'r', to: { datacenter: 'dc2', peer: 'cloud' } }] });
    // @ts-expect-error an unknown key
    definePolicy({ ...base, routes: [{ name: 'r', to: { service: 'x', subsett: 'y' } }] });
    const policy = definePolicy({
      ...base,
      routes: [
        { name: 'other', match: { from: ['checkout'] }, to: { service: 'x', subset: 'anything' } },
        {
          name: 'pinned',
          match: { labels: { a: 'b' } },
          to: { subset: 'canary', datacenter: 'dc2' },
          failover: ['dc3'],
        },
        {
          name: 'all',
          split: [
            { to: { service: 'x' }, weight: 1 },
            { to: { peer: 'cloud' }, weight: 1 },
          ],
        },
      ],
    });
    expect(policy.routes).toHaveLength(3);
  });
});
