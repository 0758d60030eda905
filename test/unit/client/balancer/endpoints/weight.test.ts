import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextSlowStartStepMs, slowStartShare } from '../../../../../src/client/balancer/endpoints/weight';

describe('slow start', () => {
  it('grows from a tenth to the whole in ten steps', () => {
    const ages = [0, 2_999, 3_000, 6_000, 15_000, 29_999, 30_000, 1e9];
    expect(ages.map((ageMs) => slowStartShare(ageMs, 30_000))).toEqual([0.1, 0.1, 0.1, 0.2, 0.5, 0.9, 1, 1]);
    expect(nextSlowStartStepMs(0, 30_000)).toBe(3_000);
    expect(nextSlowStartStepMs(29_000, 30_000)).toBe(1_000);
    expect(nextSlowStartStepMs(30_000, 30_000)).toBeUndefined();
  });

  it('is off at 0', () => {
    expect(slowStartShare(0, 0)).toBe(1);
    expect(nextSlowStartStepMs(0, 0)).toBeUndefined();
  });

  it('steps at most every half second when it is short', () => {
    expect(nextSlowStartStepMs(0, 1_200)).toBe(500);
    expect(nextSlowStartStepMs(1_000, 1_200)).toBe(200);
    expect(slowStartShare(600, 1_200)).toBeCloseTo(500 / 1_200);
  });

  it('comes to its end from any moment by doing what it says', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e5, noNaN: true }),
        fc.double({ min: 1, max: 1e5, noNaN: true }),
        (ageMs, slowStartMs) => {
          let age = ageMs;
          let share = slowStartShare(age, slowStartMs);
          for (let step = 0; step < 12 && share < 1; step += 1) {
            const waitMs = nextSlowStartStepMs(age, slowStartMs) ?? Number.NaN;
            expect(waitMs).toBeGreaterThan(0);
            age += waitMs;
            const next = slowStartShare(age, slowStartMs);
            expect(next).toBeGreaterThanOrEqual(share);
            share = next;
          }
          expect(share).toBe(1);
        },
      ),
    );
  });
});
