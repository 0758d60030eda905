import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findDifferences } from '../../../../src/ops/compare/differences';
import { runs } from '../../../support/slice';
import { soundPolicy } from '../../policy/arbitrary-policy';

const splitOf = (stable: number, canary: number): object[] => [
  { to: 'stable', weight: stable },
  { to: 'canary', weight: canary },
];

describe('findDifferences', () => {
  it('names routes by name and entries of a split by subset', () => {
    const before = {
      routes: [
        { name: 'a', to: 'x' },
        { name: 'b', split: splitOf(95, 5), timeoutMs: 5 },
      ],
    };
    const after = {
      routes: [
        { name: 'new', to: 'x' },
        { name: 'b', split: splitOf(75, 25) },
      ],
      default: 'x',
    };
    expect(findDifferences(before, after)).toEqual([
      { path: 'routes[a]', kind: 'removed', before: { name: 'a', to: 'x' } },
      { path: 'routes[b].split[stable].weight', kind: 'changed', before: 95, after: 75 },
      { path: 'routes[b].split[canary].weight', kind: 'changed', before: 5, after: 25 },
      { path: 'routes[b].timeoutMs', kind: 'removed', before: 5 },
      { path: 'routes[new]', kind: 'added', after: { name: 'new', to: 'x' } },
      { path: 'default', kind: 'added', after: 'x' },
    ]);
  });

  it('tells another order of routes, and not one of keys', () => {
    const [a, b] = [
      { name: 'a', to: 'x' },
      { to: 'y', name: 'b' },
    ];
    expect(findDifferences({ routes: [a, b] }, { routes: [{ name: 'b', to: 'y' }, a] })).toEqual([
      { path: 'routes', kind: 'moved', before: ['a', 'b'], after: ['b', 'a'] },
    ]);
    expect(findDifferences({ routes: [a, b] }, { routes: [{ to: 'x', name: 'a' }, b] })).toEqual([]);
  });

  it('compares what is no policy, too', () => {
    expect(findDifferences(undefined, { a: 1 })).toEqual([{ path: '', kind: 'added', after: { a: 1 } }]);
    expect(findDifferences({ routes: 7 }, { routes: [{ name: 'a' }] })).toHaveLength(1);
    expect(findDifferences(JSON.parse('{"__proto__":1}'), {})).toEqual([
      { path: '__proto__', kind: 'removed', before: 1 },
    ]);
  });

  it('finds none in a policy and itself, and some in any two that differ', () => {
    fc.assert(
      fc.property(soundPolicy, soundPolicy, (one, other) => {
        const copy = JSON.parse(JSON.stringify(one));
        expect(findDifferences(one, copy)).toEqual([]);
        const isSame = JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
        expect(findDifferences(one, other).length === 0).toBe(isSame);
      }),
      { numRuns: runs(200) },
    );
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, sorted(item)]));
}
