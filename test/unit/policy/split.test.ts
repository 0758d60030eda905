import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { apportion } from '../../../src/base/apportion';
import { seededRandom } from '../../../src/base/random';
import { compileSample } from '../../../src/policy/match';
import type { Decision, SplitPlan } from '../../../src/policy/plan';
import { entryOfBucket } from '../../../src/policy/routing/decide';
import { compileSplit } from '../../../src/policy/split';

const decision = {} as Decision;
const USERS = Array.from({ length: 10_000 }, (_, index) => `user-${index}`);

function split(weights: Readonly<Record<string, number>>, base = 'stable', salt = 'everyone'): SplitPlan {
  const entries = Object.entries(weights).map(([subset, weight]) => ({ subset, to: subset, weight, decision }));
  return compileSplit(entries, { salt, stickBy: 'x-user-id', base });
}

const subsetOf = (plan: SplitPlan, user: string): string | undefined => plan.entries[plan.entryOfValue(user)]?.subset;
const usersOf = (plan: SplitPlan, subset: string): ReadonlySet<string> =>
  new Set(USERS.filter((user) => subsetOf(plan, user) === subset));

describe('apportion', () => {
  it('gives the remainder to the largest remainders', () => {
    expect(apportion([1, 1, 1], 10_000)).toEqual([3_334, 3_333, 3_333]);
    expect(apportion([90, 9.99, 0.01], 10_000)).toEqual([9_000, 999, 1]);
  });

  it('gives a positive weight at least one, a weight of 0 none', () => {
    expect(apportion([1e300, 1e-300, 0], 10_000)).toEqual([9_999, 1, 0]);
    expect(apportion([5e-324, 0], 10_000)).toEqual([10_000, 0]);
    expect(apportion([1e308, 1e308], 10_000)).toEqual([5_000, 5_000]);
  });

  it('shares out everything, each within one unit of its due or at its least', () => {
    const weights = fc
      .array(fc.oneof(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.constant(0)), { minLength: 1, maxLength: 20 })
      .filter((list) => list.some((weight) => weight > 0));
    fc.assert(
      fc.property(weights, (list) => {
        const shares = apportion(list, 10_000);
        const sum = list.reduce((left, right) => left + right, 0);
        expect(shares.reduce((left, right) => left + right, 0)).toBe(10_000);
        for (const [index, weight] of list.entries()) {
          const share = shares[index] ?? -1;
          if (weight === 0) expect(share).toBe(0);
          else {
            expect(share).toBeGreaterThanOrEqual(1);
            expect(Math.abs(share - (weight / sum) * 10_000)).toBeLessThanOrEqual(list.length);
          }
        }
      }),
    );
  });
});

describe('compileSplit', () => {
  it('covers every bucket with the shares asked for', () => {
    const plan = split({ stable: 90, canary: 9.99, next: 0.01 });
    const counts = [0, 0, 0];
    for (let bucket = 0; bucket < 10_000; bucket += 1) {
      const entry = entryOfBucket(plan.entries, bucket);
      counts[entry] = (counts[entry] ?? 0) + 1;
    }
    expect(counts).toEqual([9_000, 999, 1]);
  });

  it('grows the next entry from the low end, the one after from the high end', () => {
    const plan = split({ canary: 10, stable: 70, next: 20 });
    expect(
      [0, 999, 1_000, 7_999, 8_000, 9_999].map((bucket) => plan.entries[entryOfBucket(plan.entries, bucket)]?.subset),
    ).toEqual(['canary', 'canary', 'stable', 'stable', 'next', 'next']);
  });

  it('takes the first entry for the base when the default is not among them', () => {
    const plan = split({ canary: 90, next: 10 }, 'stable');
    expect(plan.entries[entryOfBucket(plan.entries, 0)]?.subset).toBe('next');
    expect(plan.entries[entryOfBucket(plan.entries, 9_999)]?.subset).toBe('canary');
  });

  it('lets no user leave the canary as its weight grows', () => {
    let before: ReadonlySet<string> = new Set();
    for (const weight of [5, 25, 50, 100]) {
      const now = usersOf(split({ stable: 100 - weight, canary: weight }), 'canary');
      expect([...before].filter((user) => !now.has(user))).toEqual([]);
      expect(Math.abs(now.size - weight * 100)).toBeLessThan(200);
      before = now;
    }
    expect(before.size).toBe(USERS.length);
  });

  it('moves exactly the difference with three entries, between the changed one and the base', () => {
    const part = fc.integer({ min: 0, max: 4_000 });
    fc.assert(
      fc.property(part, part, part, fc.boolean(), (canary, next, changed, changesNext) => {
        const weights = (first: number, second: number) =>
          split({ stable: 10_000 - first - second, canary: first, next: second });
        const old = weights(canary, next);
        const young = changesNext ? weights(canary, changed) : weights(changed, next);
        const other = changesNext ? 'next' : 'canary';
        let moved = 0;
        let strays = 0;
        for (let bucket = 0; bucket < 10_000; bucket += 1) {
          const from = old.entries[entryOfBucket(old.entries, bucket)]?.subset;
          const to = young.entries[entryOfBucket(young.entries, bucket)]?.subset;
          if (from === to) continue;
          moved += 1;
          if (from !== 'stable' && from !== other) strays += 1;
          if (to !== 'stable' && to !== other) strays += 1;
        }
        expect(strays).toBe(0);
        expect(moved).toBe(Math.abs(changed - (changesNext ? next : canary)));
      }),
      { numRuns: 20 },
    );
  });

  it('moves users only to the entry that grew, from four entries on', () => {
    const old = split({ a: 40, b: 30, c: 20, d: 10 });
    const young = split({ a: 40, b: 30, c: 20, d: 30 });
    let moved = 0;
    for (const user of USERS) {
      if (subsetOf(old, user) === subsetOf(young, user)) continue;
      moved += 1;
      expect(subsetOf(young, user)).toBe('d');
    }
    // From 10 % to 25 %.
    expect(Math.abs(moved - 1_500)).toBeLessThan(150);
  });

  it('keeps shares with rendezvous hashing too, and weight 0 gets nobody', () => {
    const plan = split({ a: 40, b: 30, c: 20, d: 10, e: 0 });
    expect(plan.isBucketed).toBe(false);
    const counts = ['a', 'b', 'c', 'd', 'e'].map((subset) => usersOf(plan, subset).size);
    const chiSquare = [4_000, 3_000, 2_000, 1_000].reduce(
      (sum, due, index) => sum + ((counts[index] ?? 0) - due) ** 2 / due,
      0,
    );
    // 3 degrees of freedom: beyond 16.3 by chance once in 1,000 times.
    expect(chiSquare).toBeLessThan(16.3);
    expect(counts[4]).toBe(0);
  });

  it('sends the same users elsewhere under another salt', () => {
    const one = usersOf(split({ stable: 90, canary: 10 }, 'stable', 'one'), 'canary');
    const two = usersOf(split({ stable: 90, canary: 10 }, 'stable', 'two'), 'canary');
    const both = [...one].filter((user) => two.has(user)).length;
    // Independent: 1 % of all are in both.
    expect(both).toBeGreaterThan(50);
    expect(both).toBeLessThan(160);
  });

  it('is independent of a sample by the same label under the same salt', () => {
    const sample = compileSample('x-user-id', 20, 'everyone');
    const plan = split({ stable: 70, canary: 30 });
    const cells = new Map<string, number>();
    const random = seededRandom(7);
    const total = 40_000;
    for (let index = 0; index < total; index += 1) {
      const user = `u-${Math.floor(random() * 1e12)}`;
      const cell = `${sample.admits(user)} ${subsetOf(plan, user)}`;
      cells.set(cell, (cells.get(cell) ?? 0) + 1);
    }
    const due: Readonly<Record<string, number>> = {
      'true stable': 0.2 * 0.7,
      'true canary': 0.2 * 0.3,
      'false stable': 0.8 * 0.7,
      'false canary': 0.8 * 0.3,
    };
    let chiSquare = 0;
    for (const [cell, share] of Object.entries(due)) {
      chiSquare += ((cells.get(cell) ?? 0) - share * total) ** 2 / (share * total);
    }
    expect(chiSquare).toBeLessThan(16.3);
  });
});

describe('compileSample', () => {
  it('only ever adds values as it grows, none at 0, all at 100', () => {
    const admitted = (percent: number) => USERS.filter((user) => compileSample('x-u', percent, 's').admits(user));
    const small = new Set(admitted(10));
    const large = new Set(admitted(30));
    expect([...small].filter((user) => !large.has(user))).toEqual([]);
    expect(Math.abs(small.size - 1_000)).toBeLessThan(120);
    expect(admitted(0)).toEqual([]);
    expect(admitted(100)).toEqual(USERS);
  });
});
