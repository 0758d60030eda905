import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../src/base/random';
import { DRAW_RANGE, Draws, WeightedIndex } from '../../../../../src/client/balancer/pickers/weighted-index';

/** Exact up to the grain: draws spread evenly over the whole range. */
function sharesOf(weights: readonly number[], draws = 200_000): number[] {
  const index = new WeightedIndex(weights);
  const counts = weights.map(() => 0);
  for (let draw = 0; draw < draws; draw += 1) {
    const drawn = index.at(Math.floor(((draw + 0.5) / draws) * DRAW_RANGE));
    counts[drawn] = (counts[drawn] ?? Number.NaN) + 1;
  }
  return counts.map((count) => count / draws);
}

describe('WeightedIndex', () => {
  it('gives each index its share', () => {
    const weight = fc.oneof(fc.double({ min: 1e-3, max: 1e6, noNaN: true }), fc.constantFrom(1, 10, 100));
    fc.assert(
      fc.property(fc.array(weight, { minLength: 1, maxLength: 40 }), (weights) => {
        const sum = weights.reduce((a, b) => a + b, 0);
        sharesOf(weights, 40_000).forEach((share, index) => {
          expect(Math.abs(share - (weights[index] ?? 0) / sum)).toBeLessThan(0.004);
        });
      }),
      { numRuns: 100 },
    );
  });

  it('never names an index that is not there, at the ends of the range either', () => {
    fc.assert(
      fc.property(fc.array(fc.double(), { minLength: 1, maxLength: 50 }), (weights) => {
        const index = new WeightedIndex(weights);
        for (const draw of [0, 1, DRAW_RANGE / 2, DRAW_RANGE - 1]) {
          expect(weights.length).toBeGreaterThan(index.at(draw));
        }
      }),
    );
  });

  it('counts weights that are no weights as nothing, and all of them as equal', () => {
    expect(sharesOf([1, Number.NaN, -5, 0, 1])).toEqual([0.5, 0, 0, 0, 0.5]);
    expect(sharesOf([0, Number.NaN])).toEqual([0.5, 0.5]);
    expect(sharesOf([Number.MAX_VALUE, Number.MAX_VALUE, 0])).toEqual([0.5, 0.5, 0]);
  });
});

describe('Draws', () => {
  it('are even, and independent of the one before', () => {
    const draws = new Draws(seededRandom(11));
    const size = 50;
    const cells = new Float64Array(size * size);
    const rounds = 500_000;
    for (let round = 0; round < rounds; round += 1) {
      const first = draws.below(size);
      const second = draws.below(size);
      cells[first * size + second] = (cells[first * size + second] ?? 0) + 1;
    }
    const expected = rounds / (size * size);
    const chiSquare = cells.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // Mean 2,499, standard deviation 71.
    expect(chiSquare).toBeGreaterThan(2_499 - 5 * 71);
    expect(chiSquare).toBeLessThan(2_499 + 5 * 71);
  });

  it('are the same for the same seed', () => {
    const [one, other] = [1, 2].map(() => {
      const draws = new Draws(seededRandom(5));
      return Array.from({ length: 10 }, () => draws.next());
    });
    expect(one).toEqual(other);
  });
});
