import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTokenBucket } from '../../../../../src/base/token-bucket';
import { FakeClock } from '../../../../../src/client/testing/fake-clock';
import { backoffMs } from '../../../../../src/consul/backoff';
import { createShared } from '../../../../../src/consul/shared';

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

describe('shared things', () => {
  it('are made for the first, closed after the last, and made anew after that', () => {
    const closed: number[] = [];
    let made = 0;
    const shared = createShared<{ id: number; close(): void }>();
    const create = () => {
      made += 1;
      const id = made;
      return { id, close: () => void closed.push(id) };
    };
    const a = shared.acquire('k', create);
    const b = shared.acquire('k', create);
    expect(a.value).toBe(b.value);
    a.release();
    a.release();
    expect(closed).toEqual([]);
    b.release();
    expect(closed).toEqual([1]);
    const c = shared.acquire('k', create);
    expect(c.value.id).toBe(2);
    shared.closeAll();
    c.release();
    expect(closed).toEqual([1, 2]);
  });
});
