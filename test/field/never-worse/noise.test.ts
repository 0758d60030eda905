import { describe, expect, it } from 'vitest';
import { chanceOfLoss, chanceOfShares, lowerTail, upperTail, worstShare } from './noise';

describe('what chance can do', () => {
  it.each([
    [1, 10, 0.5, 1 - 0.5 ** 10],
    [10, 10, 0.5, 0.5 ** 10],
    [2, 3, 1 / 3, 7 / 27],
    [0, 10, 0.5, 1],
    [11, 10, 0.5, 0],
  ])('%i or more of %i at %f', (atLeast, trials, p, chance) => {
    expect(upperTail(atLeast, trials, p)).toBeCloseTo(chance, 12);
    expect(lowerTail(trials - atLeast, trials, 1 - p)).toBeCloseTo(chance, 12);
  });

  it('finds more lost calls worse, and as many not', () => {
    expect(chanceOfLoss({ made: 300, lost: 10 }, { made: 300, lost: 0 })).toBeCloseTo(0.5 ** 10, 12);
    expect(chanceOfLoss({ made: 300, lost: 9 }, { made: 300, lost: 0 })).toBeGreaterThan(0.001);
    expect(chanceOfLoss({ made: 300, lost: 150 }, { made: 300, lost: 100 })).toBeLessThan(0.001);
    expect(chanceOfLoss({ made: 300, lost: 100 }, { made: 300, lost: 100 })).toBeGreaterThan(0.4);
    expect(chanceOfLoss({ made: 300, lost: 0 }, { made: 300, lost: 0 })).toBe(1);
  });

  it('finds an instance that gets too much, or too little, worse', () => {
    expect(chanceOfShares([100, 100, 100], [100, 100, 100])).toBe(1);
    expect(chanceOfShares([115, 95, 90], [100, 100, 100])).toBeGreaterThan(0.1);
    expect(chanceOfShares([150, 75, 75], [100, 100, 100])).toBeLessThan(0.001);
    expect(chanceOfShares([140, 140, 20], [100, 100, 100])).toBeLessThan(0.001);
    expect(chanceOfShares([150, 75, 75], [150, 75, 75])).toBeGreaterThan(0.1);
    expect(chanceOfShares([0, 0, 0], [0, 0, 0])).toBe(1);
  });

  it('tells the share that is farthest from fair', () => {
    expect(worstShare([150, 75, 75])).toBe(1.5);
    expect(worstShare([140, 140, 20])).toBeCloseTo(0.2, 12);
    expect(worstShare([0, 0])).toBe(1);
  });
});
