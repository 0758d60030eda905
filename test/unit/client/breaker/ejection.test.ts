import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseHeldOut, ejectionLimit } from '../../../../src/client/breaker/ejection';

const members = fc.uniqueArray(fc.record({ key: fc.string({ maxLength: 4 }), badSinceMs: fc.nat(5) }), {
  selector: (member) => member.key,
  maxLength: 40,
});
const percent = fc.integer({ min: 0, max: 100 });

describe('how many may be held out', () => {
  it.each([
    [0, 50, 0],
    [1, 100, 0],
    [2, 50, 1],
    [2, 100, 1],
    [3, 10, 1],
    [10, 50, 5],
    [10, 59, 5],
    [10, 100, 9],
    [10, 0, 0],
  ])('%i members at %i %%: %i', (size, maxEjectionPercentage, expected) => {
    expect(ejectionLimit(size, maxEjectionPercentage)).toBe(expected);
  });

  it('is never all, and never beyond the share except for the one', () => {
    fc.assert(
      fc.property(fc.nat(1000), percent, (size, share) => {
        const limit = ejectionLimit(size, share);
        expect(limit).toBeLessThanOrEqual(Math.max(0, size - 1));
        expect(limit).toBeLessThanOrEqual(Math.max(1, (size * share) / 100));
        if (size > 1 && share > 0) expect(limit).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});

describe('who is held out', () => {
  it('is bad, and there are as many as may be', () => {
    fc.assert(
      fc.property(members, fc.nat(40), percent, (bad, good, share) => {
        const size = bad.length + good;
        const out = chooseHeldOut(size, bad, share);
        expect(out).toHaveLength(Math.min(bad.length, ejectionLimit(size, share)));
        for (const member of out) expect(bad).toContain(member);
        for (const member of bad) {
          if (out.includes(member)) continue;
          for (const other of out) expect(other.badSinceMs).toBeLessThanOrEqual(member.badSinceMs);
        }
      }),
    );
  });

  it('stays out when others go bad after it, in whatever order they are given', () => {
    fc.assert(
      fc.property(members, fc.nat(40), percent, fc.nat(), (bad, good, share, seed) => {
        const size = bad.length + good + 1;
        const before = chooseHeldOut(size, bad, share);
        const more = [...bad, { key: 'the newest', badSinceMs: 6 }];
        const after = chooseHeldOut(size, rotated(more, seed), share);
        for (const member of before) expect(after).toContain(member);
      }),
    );
  });
});

function rotated<T>(items: readonly T[], by: number): T[] {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
