import { describe, expect, it } from 'vitest';
import { Spill } from '../../../../../src/client/balancer/tiers/spill';

describe('the share of its calls that a tier keeps', () => {
  it.each([
    { healthy: 4, known: 4, share: 1 },
    // 3 / 4 x 1.4 is more than all.
    { healthy: 3, known: 4, share: 1 },
    { healthy: 5, known: 7, share: 1 },
    { healthy: 2, known: 4, share: 0.7 },
    { healthy: 1, known: 4, share: 0.35 },
    { healthy: 0, known: 4, share: 0 },
    // Nobody was ever known: nothing is lost.
    { healthy: 0, known: 0, share: 1 },
  ])('is $share with $healthy of $known well', ({ healthy, known, share }) => {
    const spill = new Spill();
    spill.update(healthy, known, 0);
    expect(spill.share(0)).toBeCloseTo(share, 10);
    expect(spill.isPartial).toBe(share < 1);
  });

  it('falls at once', () => {
    const spill = new Spill();
    spill.update(4, 4, 0);
    spill.update(2, 4, 10);
    expect(spill.share(10)).toBeCloseTo(0.7, 10);
    spill.update(0, 4, 20);
    expect(spill.share(20)).toBe(0);
  });

  it('comes back after a second, a tenth of all calls each second', () => {
    const spill = new Spill();
    spill.update(0, 4, 0);
    spill.update(4, 4, 5_000);
    expect(spill.share(5_000)).toBe(0);
    expect(spill.share(6_000)).toBe(0);
    expect(spill.share(7_000)).toBeCloseTo(0.1, 10);
    expect(spill.share(11_000)).toBeCloseTo(0.5, 10);
    expect(spill.isPartial).toBe(true);
    expect(spill.share(16_000)).toBe(1);
    expect(spill.isPartial).toBe(false);
  });

  it('goes on rising when more come back on the way, without a second pause', () => {
    const spill = new Spill();
    spill.update(0, 4, 0);
    spill.update(1, 4, 1_000);
    expect(spill.share(4_000)).toBeCloseTo(0.2, 10);
    spill.update(4, 4, 4_000);
    expect(spill.share(4_000)).toBeCloseTo(0.2, 10);
    expect(spill.share(15_000)).toBe(1);
  });

  it('of a tier that flaps each half second stays where it fell', () => {
    const spill = new Spill();
    for (let nowMs = 0; nowMs < 20_000; nowMs += 1_000) {
      spill.update(0, 4, nowMs);
      expect(spill.share(nowMs)).toBe(0);
      spill.update(4, 4, nowMs + 500);
      expect(spill.share(nowMs + 999)).toBe(0);
    }
  });
});

describe('a tier that passes nothing on before it has to', () => {
  it('keeps all while anybody in it is well, and comes back gradually', () => {
    const spill = new Spill(Number.POSITIVE_INFINITY);
    spill.update(1, 100, 0);
    expect(spill.share(0)).toBe(1);
    expect(spill.isPartial).toBe(false);
    spill.update(0, 100, 10);
    expect(spill.share(10)).toBe(0);
    spill.update(1, 100, 20);
    expect(spill.share(20)).toBe(0);
    expect(spill.share(6_020)).toBeCloseTo(0.5);
    expect(spill.share(20_000)).toBe(1);
  });
});
