import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LatencyHistogram } from '../../../../../src/client/breaker/guard/rolling-counts';

const samples = fc.array(fc.double({ min: 0.2, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 60 });

it('tells medians to within a bin, and agrees with itself on who is slower', () => {
  fc.assert(
    fc.property(samples, samples, (first, second) => {
      const histogram = new LatencyHistogram(2);
      for (const ms of second) histogram.add(1, ms);
      for (const ms of first) histogram.add(0, ms);
      histogram.drop(1);
      const sorted = [...first].sort((a, b) => a - b);
      const exact = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
      const told = histogram.medianMs();
      expect(histogram.count).toBe(first.length);
      expect(told / exact).toBeGreaterThan(0.84);
      expect(told / exact).toBeLessThan(1.19);
      expect(histogram.slowerThan(told)).toBeCloseTo(first.length / 2, 6);
      for (const ms of [0.01, exact / 2, exact * 2, 1e6]) {
        const slower = (limit: number): number => first.filter((sample) => sample > limit).length;
        expect(histogram.slowerThan(ms)).toBeLessThanOrEqual(slower(ms / 1.2) + 1e-6);
        expect(histogram.slowerThan(ms)).toBeGreaterThanOrEqual(slower(ms * 1.2) - 1e-6);
      }
    }),
  );
});

it('holds what is too quick or too slow for its bins', () => {
  const histogram = new LatencyHistogram(1);
  for (const ms of [0, 0.01, 1e9, 1e9, 1e9]) histogram.add(0, ms);
  expect(histogram.medianMs()).toBeGreaterThan(90_000);
  expect(histogram.slowerThan(0.2)).toBe(3);
  expect(new LatencyHistogram(1).medianMs()).toBeNaN();
});
