import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../src/base/random';
import { connectionsOf, countPicks, firstTry, makeSuspect, pickerFor } from '../connections';
import { worstDeviation } from '../pool-simulation';

describe('random', () => {
  it('spreads the calls of a suspect over the others by weight', () => {
    const random = seededRandom(1);
    const ready = connectionsOf([50, 1, 4]);
    ready.slice(0, 1).forEach(makeSuspect);
    const counts = countPicks(pickerFor('random', ready, random), ready, firstTry(random), 20_000);
    expect(counts[0]).toBe(0);
    // A draw hits the suspect nine times of ten; the few picks that give up drawing go to anybody.
    expect((counts[2] ?? 0) / (counts[1] ?? 1)).toBeGreaterThan(1.5);
  });

  it('gives the same sequence for the same seed', () => {
    const weights = [3, 1, 2];
    const [one, other] = [1, 2].map(() => {
      const random = seededRandom(9);
      const ready = connectionsOf(weights);
      return countPicks(pickerFor('random', ready, random), ready, firstTry(random), 1000);
    });
    expect(one).toEqual(other);
    expect(worstDeviation(one ?? [], weights)).toBeLessThan(0.2);
  });
});
