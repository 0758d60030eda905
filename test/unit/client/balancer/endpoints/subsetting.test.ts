import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../src/base/random';
import { chooseSubset } from '../../../../../src/client/balancer/endpoints/subsetting';
import { runs } from '../../../../support/slice';

const same = (key: string): string => key;
const keys = (count: number): string[] => Array.from({ length: count }, (_, index) => `dc1/10.0.0.${index}:80`);

function coverage(items: readonly string[], size: number, clients: readonly string[]): number[] {
  const counts = new Map(items.map((item) => [item, 0]));
  for (const client of clients) {
    for (const item of chooseSubset(items, same, size, client)) counts.set(item, (counts.get(item) ?? 0) + 1);
  }
  return [...counts.values()];
}

describe('chooseSubset', () => {
  it('gives exactly as many as asked for, each once, in the order of the items', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 70 }),
        fc.string(),
        (items, size, clientId) => {
          const chosen = chooseSubset(items, same, size, clientId);
          expect(chosen).toHaveLength(Math.min(size, items.length));
          expect(items.filter((item) => chosen.includes(item))).toEqual(chosen);
        },
      ),
    );
  });

  it('depends on who is there and not on their order', () => {
    const items = keys(100);
    const chosen = chooseSubset(items, same, 10, 'orders-3');
    expect(chooseSubset(items.toReversed(), same, 10, 'orders-3').toReversed()).toEqual(chosen);
    expect(chooseSubset(items, same, 10, 'orders-4')).not.toEqual(chosen);
  });

  it('moves at most two of a client when one item comes or goes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: 300 }),
        fc.integer({ min: 1, max: 40 }),
        fc.string(),
        fc.nat(),
        (count, size, clientId, leaving) => {
          const items = keys(count);
          const fewer = items.filter((_, index) => index !== leaving % count);
          const before = new Set(chooseSubset(items, same, size, clientId));
          const after = chooseSubset(fewer, same, size, clientId);
          expect(after.filter((item) => !before.has(item)).length).toBeLessThanOrEqual(2);
        },
      ),
      { numRuns: runs(500) },
    );
  });

  it('is used alike by numbered clients', () => {
    for (const [items, size, clients] of [
      [100, 10, 50],
      [1000, 20, 300],
      [37, 5, 64],
    ] as const) {
      const names = Array.from({ length: clients }, (_, index) => `orders-${index}`);
      const counts = coverage(keys(items), size, names);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(4);
      expect(Math.min(...counts)).toBeGreaterThan(0);
    }
  });

  it('is used by named clients about as chance would have it', () => {
    const random = seededRandom(8);
    const names = Array.from({ length: 2000 }, () => `pod-${random().toString(36).slice(2)}x`);
    const counts = coverage(keys(200), 20, names);
    // Mean 200, binomial standard deviation 13.4.
    expect(Math.min(...counts)).toBeGreaterThan(200 - 5 * 13.4);
    expect(Math.max(...counts)).toBeLessThan(200 + 5 * 13.4);
  });
});
