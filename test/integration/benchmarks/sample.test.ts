import { describe, expect, it } from 'vitest';
import { interleaved, pairedDifference, pairedRatio, spreadOf } from '../../../benchmarks/sample';
import { seededRandom } from '../../../src/base/random';

describe('what rounds say', () => {
  it('takes ratios and differences within a round', () => {
    const reference = [100, 200, 400];
    const values = [110, 220, 440];
    expect(pairedRatio(values, reference).median).toBeCloseTo(1.1);
    expect(pairedDifference(values, reference).median).toBe(20);
  });

  it('knows the bounds of a median by rank', () => {
    const { surely } = spreadOf(Array.from({ length: 31 }, (_, index) => index));
    expect(surely).toEqual([9, 21]);
  });

  it('takes the extremes of few rounds', () => {
    expect(spreadOf([3, 1, 2]).surely).toEqual([1, 3]);
    expect(spreadOf([7]).surely).toEqual([7, 7]);
  });

  it('has the true median within the bounds about 95 times of 100', () => {
    const random = seededRandom(7);
    const trials = 2_000;
    let held = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      // Lopsided, as times are: its median is the square root of two less one.
      const values = Array.from({ length: 31 }, () => 1 / Math.sqrt(random()) - 1);
      const [low, high] = spreadOf(values).surely;
      if (low <= Math.SQRT2 - 1 && Math.SQRT2 - 1 <= high) held += 1;
    }
    expect(held / trials).toBeGreaterThan(0.93);
    expect(held / trials).toBeLessThan(0.99);
  });

  it('begins each round with another participant and keeps no warm-up', async () => {
    const order: string[] = [];
    const results = await interleaved(['a', 'b'], { kept: 2, warmUp: 1 }, async (name) => order.push(name));
    expect(order).toEqual(['a', 'b', 'b', 'a', 'a', 'b']);
    expect(results.get('a')).toEqual([4, 5]);
  });
});
