import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../src/base/random';
import type { GradualFigures } from '../../../../src/ops/candidate/collector';
import { boundOf, describeCalls, isWorse } from '../../../../src/ops/candidate/gradual';

/** Looks after each 20 calls, while the others have 50 times as many. */
function calls(share: number, formerShare: number, seed: number): { readonly takenBackAfter: number | undefined } {
  const random = seededRandom(seed);
  const figures = { candidate: { calls: 0, failures: 0 }, former: { calls: 0, failures: 0 }, inForce: 1 };
  const add = (side: { calls: number; failures: number }, count: number, failing: number): void => {
    for (let at = 0; at < count; at += 1) {
      side.calls += 1;
      if (random() < failing) side.failures += 1;
    }
  };
  for (let look = 0; look < 100; look += 1) {
    add(figures.candidate, 20, share);
    add(figures.former, 1_000, formerShare);
    if (isWorse(figures, 1)) return { takenBackAfter: figures.candidate.calls };
  }
  return { takenBackAfter: undefined };
}

describe('a policy by degrees', () => {
  it('stays where it is no worse, however often one looks', () => {
    const runs = Array.from({ length: 100 }, (_, seed) => calls(0.02, 0.02, seed));
    expect(runs.filter(({ takenBackAfter }) => takenBackAfter !== undefined)).toEqual([]);
    const atLimit = Array.from({ length: 100 }, (_, seed) => calls(0.03, 0.02, seed));
    expect(atLimit.filter(({ takenBackAfter }) => takenBackAfter !== undefined).length).toBeLessThan(2);
  });

  it('is taken back within some hundred calls where it breaks one in ten', () => {
    const runs = Array.from({ length: 100 }, (_, seed) => calls(0.1, 0.001, seed).takenBackAfter ?? Number.NaN);
    expect(Math.max(...runs)).toBeLessThan(500);
  });

  it('is in force in as many clients as its share says, at least one', () => {
    const places = [0.1, 0.2, 0.4, 0.8];
    for (const clients of [1, 2, 3]) {
      expect(places.filter((place) => place < boundOf(places, clients))).toHaveLength(clients);
    }
    expect([boundOf(places, 4), boundOf([], 1)]).toEqual([1, 1]);
  });

  it('is told in calls of both sides', () => {
    const figures: GradualFigures = {
      candidate: { calls: 100, failures: 10 },
      former: { calls: 0, failures: 0 },
      inForce: 1,
    };
    expect(describeCalls(figures)).toBe('10 of 100 calls under it failed (10.0 %), 0 of 0 under the former (- %)');
  });
});
