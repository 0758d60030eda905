import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs, createTokenBucket } from '../../../src/base/pacing';
import { FakeClock } from '../../../src/client/testing/fake-clock';

describe('token bucket', () => {
  it('lets a burst through at once, then one for each refill, on credit', () => {
    const clock = new FakeClock();
    const bucket = createTokenBucket(clock, 2, 5);
    expect([bucket.take(), bucket.take(), bucket.take(), bucket.take()]).toEqual([0, 0, 200, 400]);
    clock.advance(400);
    expect(bucket.take()).toBe(200);
    clock.advance(10_000);
    expect([bucket.take(2), bucket.take()]).toEqual([0, 200]);
  });
});

describe('backoff', () => {
  it('is anything from 0 up to 250 ms, doubled for each failure before, never beyond 30 s', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (failures, drawn) => {
          const bound = Math.min(30_000, 250 * 2 ** (failures - 1));
          const delay = backoffMs(failures, () => drawn);
          expect(delay).toBeGreaterThanOrEqual(0);
          expect(delay).toBeLessThanOrEqual(bound);
          expect(delay).toBeCloseTo(bound * drawn, 6);
        },
      ),
    );
  });
});
