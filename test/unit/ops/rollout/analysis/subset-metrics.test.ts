import { describe, expect, it } from 'vitest';
import { quantileMs, slowerThan } from '../../../../../src/ops/rollout/analysis/subset-metrics';

const histogram = { boundsMs: [10, 20, 50], counts: [80, 15, 4, 1] };

describe('quantileMs', () => {
  it.each([
    [0.5, 6.25],
    [0.8, 10],
    [0.95, 20],
    [0.99, 50],
    [0.999, Number.POSITIVE_INFINITY],
  ])('interpolates inside the bucket: %f', (quantile, expected) => {
    expect(quantileMs(histogram, quantile)).toBeCloseTo(expected, 10);
  });

  it('has no answer without calls', () => {
    expect(quantileMs({ boundsMs: [10], counts: [0, 0] }, 0.5)).toBeNaN();
  });
});

describe('slowerThan', () => {
  it.each([
    [0, 100],
    [10, 20],
    [15, 12.5],
    [35, 3],
    [50, 1],
    [1_000, 1],
  ])('agrees with the quantile: slower than %f ms', (ms, expected) => {
    expect(slowerThan(histogram, ms).bad).toBeCloseTo(expected, 10);
    expect(slowerThan(histogram, quantileMs(histogram, 0.97)).bad).toBeCloseTo(3, 10);
  });
});
