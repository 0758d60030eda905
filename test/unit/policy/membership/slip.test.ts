import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../../src/base/instances';
import { membershipOf } from '../../../../src/policy/membership/membership';
import { unassignedOf } from '../../../../src/policy/membership/shortfalls';
import { planOf } from './arbitrary-world';

type Registered = Partial<Pick<Instance, 'tags' | 'meta'>>;

function instance(port: number, { tags = [], meta = {} }: Registered): Instance {
  return {
    key: `k${port}`,
    id: `i${port}`,
    node: 'n1',
    datacenter: 'dc1',
    zone: undefined,
    address: '10.0.0.1',
    port,
    tags,
    meta,
    status: 'passing',
    weight: 1,
  } as Instance;
}

function unassigned(
  subsets: Record<string, Registered>,
  registered: readonly Registered[],
): ReturnType<typeof unassignedOf> {
  const written = Object.entries(subsets).map(([name, { tags = [], meta = {} }]) => [name, { tags: [...tags], meta }]);
  const plan = planOf({ subsets: Object.fromEntries(written), default: written[0]?.[0] as string });
  const instances = registered.map((each, row) => instance(row + 1, each));
  const state = { datacenter: 'dc1', known: true, freshness: 'fresh', filters: new Map(), instances };
  return unassignedOf(plan, membershipOf(plan, { version: 1, datacenters: [state as never] }));
}

describe('an instance that no subset takes', () => {
  it.each<[string, Registered, Registered, string | undefined]>([
    ['a tag with two letters swapped', { tags: ['stable'] }, { tags: ['stabel'] }, 'tag stabel; tag stable'],
    ['a key of its metadata', { meta: { version: 'v1x' } }, { meta: { verison: 'v1x' } }, 'meta verison; meta version'],
    [
      'a value of its metadata',
      { meta: { track: 'stable' } },
      { meta: { track: 'stabel' } },
      'meta track: stabel; meta track: stable',
    ],
    ['another version', { tags: ['v2'] }, { tags: ['v3'] }, undefined],
    ['something else', { tags: ['stable'] }, { tags: ['batch'] }, undefined],
    [
      'the slip among many tags',
      { tags: ['stable'] },
      { tags: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'stabel'] },
      'tag stabel; tag stable',
    ],
  ])('by %s', (_, wanted, found, slip) => {
    const told = unassigned({ first: wanted }, [wanted, found])?.slip;
    expect(told && `${told.found}; ${told.meant}`).toBe(slip);
  });

  it('is told nothing of what nobody has: then the subset is wrong', () => {
    expect(
      unassigned({ first: { tags: ['stable'] }, second: { tags: ['canary'] } }, [
        { tags: ['stable'] },
        { tags: ['canray'] },
      ])?.slip,
    ).toBe(undefined);
  });

  it('costs no more than its size and is told in few words, however many tags it and subsets have', () => {
    const names = Array.from({ length: 1_000 }, (_, row) => `${'ab'.repeat(14)}${row.toString(36)}${'ba'.repeat(14)}`);
    const subsets = Object.fromEntries(names.map((name, row) => [`s${row}`, { tags: [name] }]));
    const all = names.map((name) => ({ tags: [name] }));
    const odd = Array.from({ length: 1_000 }, (_, row) => `xyz${'ab'.repeat(13)}${row.toString(36)}${'ab'.repeat(14)}`);
    odd.push('v1'.repeat(100_000));
    // What is known of them is made once, whoever is asked for.
    const before = process.cpuUsage();
    unassigned(subsets, all);
    const plain = process.cpuUsage(before).user;
    const again = process.cpuUsage();
    const told = unassigned(subsets, [...all, { tags: odd }]);
    const us = process.cpuUsage(again).user - plain;
    expect(told?.slip).toBe(undefined);
    expect(told?.text.length).toBeLessThan(300);
    // A million pairs of words take ten times as long as all the rest.
    expect(us).toBeLessThan(2 * plain);
  });
});
