import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../src/base/random';
import { AttemptLink } from '../../../../src/client/balancer/attempts/attempt-link';
import type { Connection } from '../../../../src/client/balancer/endpoints/endpoint';
import { slownessBeside } from '../../../../src/client/balancer/pickers/least-request';
import { connectionsOf, countPicks, firstTry, pickerFor } from '../../../unit/client/balancer/connections';
import { judgedPool } from '../../../unit/client/balancer/open-pool';
import { simulate, worstDeviation } from '../../../unit/client/balancer/pool-simulation';

const POOLS = {
  'ten equals': Array.from({ length: 10 }, () => 1),
  'nearly equal': [1, 1.1],
  'one heavy': [9, 1],
  'one to ten': [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
};
const LATENCY_MS = 10;

describe('peak_ewma keeps to the weights while latencies are alike', () => {
  describe.each(Object.entries(POOLS))('%s', (_, weights) => {
    it.each([
      { name: 'hardly any load', inFlightEach: 0.02, bound: 0.07 },
      // The lightest of one to ten gets 1,800 of 100,000 calls: 2.4 % of its share is chance.
      { name: 'low load', inFlightEach: 0.1, bound: 0.07 },
      { name: 'middling load', inFlightEach: 1, bound: 0.07 },
      { name: 'high load', inFlightEach: 30, bound: 0.05 },
    ])('$name', ({ inFlightEach, bound }) => {
      const random = seededRandom(3);
      const ready = connectionsOf(weights);
      const picker = pickerFor('peak_ewma', ready, random);
      const callsPerSecond = (inFlightEach * weights.length * 1000) / LATENCY_MS;
      const latencyMs = () => LATENCY_MS * (0.7 + 0.6 * random());
      const lengthMs = (100_000 / callsPerSecond) * 1000;
      const [, window] = simulate({ picker, ready, random, callsPerSecond, latencyMs }, [1000, 1000 + lengthMs]);
      expect(worstDeviation(window?.calls ?? [], weights)).toBeLessThan(bound);
      if (inFlightEach > 1) expect(worstDeviation(window?.inFlight ?? [], weights)).toBeLessThan(0.06);
    });
  });
});

describe('an endpoint 20 times slower', () => {
  it.each([
    { name: '3 equals', weights: [1, 1, 1], callsPerSecond: 100 },
    { name: '10 equals, busy', weights: POOLS['ten equals'], callsPerSecond: 5000 },
    { name: 'the lighter of two', weights: [1, 1.1], callsPerSecond: 100 },
    { name: 'the heaviest', weights: [9, 1, 1], callsPerSecond: 300 },
  ])(
    'gets at most 5 % of its share within 10 s, and all of it after its cure: $name',
    ({ weights, callsPerSecond }) => {
      const random = seededRandom(4);
      const pool = judgedPool(weights, random);
      const latencyMs = (index: number, nowMs: number) => {
        const slow = index === 0 && nowMs >= 10_000 && nowMs < 80_000;
        return (slow ? 200 : LATENCY_MS) * (0.7 + 0.6 * random());
      };
      const limits = [10_000, 20_000, 80_000, 115_000, 175_000];
      const windows = simulate({ ...pool, random, callsPerSecond, latencyMs }, limits);
      const shares = windows.map(({ calls }) => shareOfFirst(calls, weights));
      expect(shares[0]).toBeGreaterThan(0.85);
      expect(shares[1]).toBeLessThan(0.05);
      expect(shares[2]).toBeLessThan(0.05);
      expect(shares[4]).toBeGreaterThan(0.9);
      expect(shares[4]).toBeLessThan(1.1);
    },
  );
});

describe('an endpoint that fails at once', () => {
  it('does not look fast', () => {
    const random = seededRandom(5);
    const ready = connectionsOf([1, 1, 1, 1]);
    for (const { endpoint } of ready.slice(1)) {
      const attempt = new AttemptLink();
      endpoint.load.attemptStarted(attempt, 0);
      endpoint.load.attemptEnded(attempt, 50, 'success');
    }
    const failing = ready[0] as Connection;
    const picker = pickerFor('peak_ewma', ready, random);
    const counts = ready.map(() => 0);
    for (let call = 0; call < 4000; call += 1) {
      const picked = picker.pick(firstTry(random)) as Connection;
      counts[ready.indexOf(picked)] = (counts[ready.indexOf(picked)] ?? 0) + 1;
      const attempt = new AttemptLink();
      picked.endpoint.load.picked(false);
      picked.endpoint.load.attemptStarted(attempt, 100 + call);
      picked.endpoint.load.attemptEnded(attempt, 101 + call, picked === failing ? 'failure' : 'neutral');
    }
    expect(counts[0]).toBeLessThan(1100);
  });
});

describe('endpoints without samples', () => {
  it('take their share and no more, however many arrive at once', () => {
    const random = seededRandom(6);
    const ready = connectionsOf(Array.from({ length: 40 }, () => 1));
    for (const { endpoint } of ready.slice(0, 20)) {
      const attempt = new AttemptLink();
      endpoint.load.attemptStarted(attempt, 0);
      endpoint.load.attemptEnded(attempt, 25, 'success');
    }
    const counts = countPicks(pickerFor('peak_ewma', ready, random), ready, firstTry(random), 40_000);
    const toNew = counts.slice(20).reduce((a, b) => a + b, 0);
    expect(Math.abs(toNew - 20_000)).toBeLessThan(600);
  });

  it('are no measure for others', () => {
    const [known, unknown] = connectionsOf([1, 1]).map(({ endpoint }) => endpoint.load);
    if (known === undefined || unknown === undefined) throw new Error('two connections were made');
    const attempt = new AttemptLink();
    known.attemptStarted(attempt, 0);
    known.attemptEnded(attempt, 250, 'success');
    expect(slownessBeside(known, unknown)).toBe(1);
    expect(slownessBeside(unknown, known)).toBe(1);
  });
});

describe('an endpoint that nobody called for a while', () => {
  it('does not look fast because its memory fades', () => {
    const [idle, called] = connectionsOf([1, 1]).map(({ endpoint }) => endpoint.load);
    if (idle === undefined || called === undefined) throw new Error('two connections were made');
    for (const [load, startMs] of [
      [idle, 0],
      [called, 60_000],
    ] as const) {
      const attempt = new AttemptLink();
      load.attemptStarted(attempt, startMs);
      load.attemptEnded(attempt, startMs + 20, 'success');
    }
    idle.sweep(60_100);
    expect(idle.blame).toBeLessThan(1000);
    expect(slownessBeside(called, idle)).toBe(1);
  });
});

function shareOfFirst(calls: readonly number[], weights: readonly number[]): number {
  const total = calls.reduce((a, b) => a + b, 0);
  const weightSum = weights.reduce((a, b) => a + b, 0);
  return ((calls[0] ?? 0) * weightSum) / (total * (weights[0] ?? 1));
}
