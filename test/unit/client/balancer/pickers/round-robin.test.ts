import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../src/base/random';
import type { Connection } from '../../../../../src/client/balancer/endpoints/endpoint';
import { connectionsOf, countPicks, firstTry, pickerFor } from '../connections';

describe('round_robin', () => {
  it('visits equals in a circle, beginning anywhere', () => {
    const ready = connectionsOf([4, 4, 4]);
    const starts = new Set<Connection | undefined>();
    for (let seed = 0; seed < 30; seed += 1) {
      const random = seededRandom(seed);
      const picker = pickerFor('round_robin', ready, random);
      const round = [1, 2, 3].map(() => picker.pick(firstTry(random)));
      expect(new Set(round).size).toBe(3);
      expect([1, 2, 3].map(() => picker.pick(firstTry(random)))).toEqual(round);
      starts.add(round[0]);
    }
    expect(starts.size).toBe(3);
  });

  it.each([
    ['equals', Array.from({ length: 10 }, () => 1)],
    ['some heavier than others', Array.from({ length: 10 }, (_, index) => 1 + (index % 2))],
  ])('sends calls that last to everybody, however regularly they come among quick ones: %s', (_, weights) => {
    const random = seededRandom(3);
    const ready = connectionsOf(weights);
    const picker = pickerFor('round_robin', ready, random);
    const sum = weights.reduce((a, b) => a + b, 0);
    const lasting = weights.map(() => 0);
    for (let call = 0; call < 4 * 10 * sum; call += 1) {
      const lasts = call % 4 === 0;
      const index = ready.indexOf(picker.pick({ ...firstTry(random), lasts }) as Connection);
      if (lasts) lasting[index] = (lasting[index] ?? 0) + 1;
    }
    expect(lasting.map((count, index) => Math.abs(count - 10 * (weights[index] as number)) <= 1)).not.toContain(false);
  });

  it('spreads a heavy endpoint between the others', () => {
    const random = seededRandom(1);
    const ready = connectionsOf([5, 1, 1]);
    const picker = pickerFor('round_robin', ready, random);
    const sequence = Array.from({ length: 70 }, () => ready.indexOf(picker.pick(firstTry(random)) as Connection));
    for (let start = 0; start + 7 <= sequence.length; start += 7) {
      const period = sequence.slice(start, start + 7);
      expect(period.filter((index) => index === 0)).toHaveLength(5);
    }
    expect(sequence.join('')).not.toContain('000000');
  });

  it('is never far from the share of anyone, at any moment', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(weights, fc.nat(), (list, seed) => {
        const random = seededRandom(seed);
        const ready = connectionsOf(list);
        const picker = pickerFor('round_robin', ready, random);
        const sum = list.reduce((a, b) => a + b, 0);
        const counts = list.map(() => 0);
        let worst = 0;
        for (let call = 1; call <= 500; call += 1) {
          const index = ready.indexOf(picker.pick(firstTry(random)) as Connection);
          counts[index] = (counts[index] ?? 0) + 1;
          worst = Math.max(worst, ...counts.map((count, i) => Math.abs(count - (call * (list[i] ?? 0)) / sum)));
        }
        expect(worst).toBeLessThan(1 + list.length / 2);
      }),
      { numRuns: 100 },
    );
  });

  it('keeps its shares when it is built anew after every few calls', () => {
    const random = seededRandom(2);
    const ready = connectionsOf([10, 1, 1]);
    const counts = [0, 0, 0];
    for (let round = 0; round < 8000; round += 1) {
      const picker = pickerFor('round_robin', ready, random);
      countPicks(picker, ready, firstTry(random), 2).forEach((count, index) => {
        counts[index] = (counts[index] ?? 0) + count;
      });
    }
    expect((counts[0] ?? 0) / 16_000).toBeGreaterThan(0.8);
    expect((counts[0] ?? 0) / 16_000).toBeLessThan(0.87);
    expect((counts[1] ?? 0) / 16_000).toBeGreaterThan(0.06);
  });
});
