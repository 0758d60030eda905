import { describe, expect, it, vi } from 'vitest';
import { SubsetLimit } from '../../../../../src/client/balancer/limits/subset-limits';

function limitOf(maxInFlight: number, maxPending = 0) {
  const freed = vi.fn();
  return { limit: new SubsetLimit('canary', { maxInFlight, maxPending }, freed), freed };
}

describe('the limit of a subset', () => {
  it('counts from the pick on, so that a burst does not overrun it, until the attempt ends', () => {
    const { limit } = limitOf(2);
    const now = (): number => 0;
    expect(limit.isFull(now)).toBe(false);
    const places = [limit.take(), limit.take()];
    expect(limit.isFull(now)).toBe(true);
    for (const place of places) limit.started(place);
    expect([limit.isFull(now), limit.view().inFlight]).toEqual([true, 2]);
    limit.ended();
    expect([limit.isFull(now), limit.view().inFlight]).toEqual([false, 1]);
  });

  it('forgets picks that never start, within two spans of 200 ms in which it looks full, and no others', () => {
    const { limit } = limitOf(3);
    limit.started(limit.take());
    limit.take();
    const late = limit.take();
    expect(limit.isFull(() => 1_000)).toBe(true);
    limit.started(late);
    expect(limit.isFull(() => 1_100)).toBe(true);
    expect(limit.isFull(() => 1_200)).toBe(false);
    expect(limit.view().inFlight).toBe(2);
    limit.started(limit.take());
    expect(limit.isFull(() => 9_000)).toBe(true);
  });

  it('lets so many wait, each for so long, and gives the places of those that are gone to others', () => {
    const { limit } = limitOf(1, 2);
    const [a, b, c] = [{}, {}, {}];
    expect([limit.waitsFor(a, 0, 2_000), limit.waitsFor(b, 500, 2_000), limit.waitsFor(c, 600, 2_000)]).toEqual([
      2_000, 2_000, 0,
    ]);
    expect([limit.waitsFor(a, 1_500, 2_000), limit.view().pending]).toEqual([500, 2]);
    expect(limit.waitsFor(c, 2_000, 2_000)).toBe(2_000);
    expect(limit.waitsFor(b, 2_500, 2_000)).toBe(0);
    limit.leave(c);
    expect(limit.view().pending).toBe(0);
  });

  it('says that a place is free only while somebody waits for one', () => {
    const { limit, freed } = limitOf(1, 1);
    const run = (): void => {
      limit.started(limit.take());
      limit.ended();
    };
    run();
    expect(freed).not.toHaveBeenCalled();
    const call = {};
    limit.waitsFor(call, 0, 2_000);
    run();
    expect(freed).toHaveBeenCalledTimes(1);
    limit.leave(call);
    limit.await();
    run();
    run();
    expect(freed).toHaveBeenCalledTimes(2);
  });
});
