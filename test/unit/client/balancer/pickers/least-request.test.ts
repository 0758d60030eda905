import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../src/base/random';
import { AttemptLink } from '../../../../../src/client/balancer/attempts/attempt-link';
import { LeastRequestPicker } from '../../../../../src/client/balancer/pickers/least-request';
import { burst, connectionsOf, countOf, countPicks, firstTry, pickerFor, picks } from '../connections';
import { simulate, worstDeviation } from '../pool-simulation';

function suspectsOf(weights: readonly number[]): ReturnType<typeof connectionsOf> {
  const ready = connectionsOf(weights);
  for (const { endpoint } of ready) endpoint.load.doubt(0);
  return ready;
}

describe('least_request', () => {
  it('takes the less busy of two', () => {
    const random = seededRandom(1);
    const ready = connectionsOf([1, 1]);
    ready[0]?.endpoint.load.attemptStarted(new AttemptLink(), 0);
    expect(countPicks(pickerFor('least_request', ready, random), ready, firstTry(random), 500)).toEqual([0, 500]);
  });

  it('of two that are idle and alike takes the one that was picked longer ago', () => {
    const random = seededRandom(4);
    const two = connectionsOf([1, 1]);
    const picked = picks(pickerFor('least_request', two, random), firstTry(random), 100);
    expect(picked.every((one, call) => call === 0 || one !== picked[call - 1])).toBe(true);

    const ten = connectionsOf(Array.from({ length: 10 }, () => 1));
    const calls = picks(pickerFor('least_request', ten, random), firstTry(random), 10_000);
    expect(calls.filter((one, call) => call > 0 && one === calls[call - 1])).toEqual([]);
    // By chance the worst of ten stretches is some 30 calls off its 100.
    for (let from = 0; from < 10_000; from += 1_000) {
      const counts = countOf(ten, calls.slice(from, from + 1_000));
      expect(Math.max(...counts.map((count) => Math.abs(count - 100)))).toBeLessThan(15);
    }
  });

  it('spreads a burst of calls, of which none has started when the last is picked for', () => {
    const random = seededRandom(5);
    const two = connectionsOf([1, 1]);
    expect(countOf(two, burst(pickerFor('least_request', two, random), firstTry(random), 50))).toEqual([25, 25]);
    const ten = connectionsOf(Array.from({ length: 10 }, () => 1));
    const counts = countOf(ten, burst(pickerFor('least_request', ten, random), firstTry(random), 1_000));
    expect(Math.max(...counts.map((count) => Math.abs(count - 100)))).toBeLessThan(5);
  });

  it.each([
    { name: 'nearly equal', weights: [1, 1.1], load: 'low', callsPerSecond: 20 },
    { name: 'nearly equal', weights: [1, 1.1], load: 'high', callsPerSecond: 4000 },
    { name: 'one heavy', weights: [9, 1], load: 'low', callsPerSecond: 20 },
    { name: 'one heavy', weights: [9, 1], load: 'high', callsPerSecond: 4000 },
    { name: 'all different', weights: [1, 2, 3, 4, 5], load: 'middle', callsPerSecond: 500 },
  ])('keeps to the weights: $name, $load load', ({ weights, callsPerSecond }) => {
    const random = seededRandom(2);
    const ready = connectionsOf(weights);
    const picker = pickerFor('least_request', ready, random);
    const latencyMs = () => 10 * (0.7 + 0.6 * random());
    const lengthMs = (60_000 / callsPerSecond) * 1000;
    const [window] = simulate({ picker, ready, random, callsPerSecond, latencyMs }, [lengthMs]);
    expect(worstDeviation(window?.calls ?? [], weights)).toBeLessThan(0.05);
  });

  it.each([
    [1, 1, 1],
    [1, 1.5, 2],
  ])('of suspects, all of them, still takes the one with fewer calls: weights %j', (...weights) => {
    const random = seededRandom(7);
    const ready = suspectsOf(weights);
    for (let call = 0; call < 20; call += 1) ready[0]?.endpoint.load.attemptStarted(new AttemptLink(), 0);
    const counts = countPicks(pickerFor('least_request', ready, random), ready, firstTry(random), 1_000);
    // By chance it is a third, or two ninths.
    expect(counts[0]).toBeLessThan(50);
  });

  it.each([
    [1, 1, 1],
    [1, 1.5, 2],
  ])('of suspects, all of them, gives a call that lasts to the one with fewest such: weights %j', (...weights) => {
    const random = seededRandom(7);
    const ready = suspectsOf(weights);
    for (let call = 0; call < 1_000; call += 1) ready[0]?.endpoint.load.picked(true);
    const context = { ...firstTry(random), lasts: true };
    const counts = countPicks(pickerFor('least_request', ready, random), ready, context, 1_000);
    // By chance it is a third, or two ninths.
    expect(counts[0]).toBeLessThan(50);
  });

  it('with more choices finds the idle one more often, and still picks only members', () => {
    const weights = Array.from({ length: 8 }, () => 1);
    const idleShare = (choices: number): number => {
      const random = seededRandom(3);
      const ready = connectionsOf(weights);
      for (const { endpoint } of ready.slice(1)) endpoint.load.attemptStarted(new AttemptLink(), 0);
      const counts = countPicks(new LeastRequestPicker(ready, random, choices), ready, firstTry(random), 4_000);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(4_000);
      return (counts[0] ?? 0) / 4_000;
    };
    // Two of eight see the idle one a quarter of the time; six draws more than half of it; one of two, always.
    expect(idleShare(2)).toBeCloseTo(0.25, 1);
    expect(idleShare(6)).toBeGreaterThan(0.5);
    expect(idleShare(100)).toBeGreaterThan(0.6);
  });
});
