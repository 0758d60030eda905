import { describe, expect, it } from 'vitest';
import { Withheld } from '../../../../../src/client/balancer/tiers/withheld';

describe('capacity that is not counted on', () => {
  it('is all that is bad at once, and comes back after a second at a tenth of the zone a second', () => {
    const withheld = new Withheld();
    withheld.update(5, 10, 1_000);
    expect(withheld.at(1_000)).toBe(5);
    withheld.update(0, 10, 2_000);
    expect([2_000, 3_000, 4_000, 6_000, 8_000].map((at) => Math.round(withheld.at(at) * 100) / 100)).toEqual([
      5, 5, 4, 2, 0,
    ]);
    expect(withheld.isFalling).toBe(false);
  });

  it('of a zone that flaps stays: each time the pause begins anew', () => {
    const withheld = new Withheld();
    for (let at = 0; at < 20_000; at += 1_000) {
      withheld.update(at % 2_000 === 0 ? 5 : 0, 10, at);
      expect(withheld.at(at + 999)).toBe(5);
    }
  });

  it('is gone with what leaves the zone for good', () => {
    const withheld = new Withheld();
    withheld.update(2, 5, 0);
    withheld.update(0, 3, 60_000);
    expect(withheld.at(60_000)).toBe(0);
    withheld.update(0, 5, 61_000);
    expect(withheld.at(61_000)).toBe(0);
  });
});
