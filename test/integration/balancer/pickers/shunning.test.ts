import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../src/base/random';
import { printFact } from '../../../support/figure';
import { judgedPool } from '../../../unit/client/balancer/open-pool';
import { type SimulationWindow, simulate } from '../../../unit/client/balancer/pool-simulation';

const LATENCY_MS = 10;
const ILL_FROM_MS = 10_000;
const CURED_AT_MS = 70_000;
/** A bad moment of the machine: a call now and then takes so much longer, wherever it goes. */
const NOISE = { none: 0, some: 0.02, much: 0.1 };

interface Run {
  readonly size: number;
  readonly callsPerSecond: number;
  readonly noise: number;
  readonly seed: number;
  readonly factor?: number;
}

function run({ size, callsPerSecond, noise, seed, factor = 20 }: Run, limitsMs: readonly number[]): SimulationWindow[] {
  const random = seededRandom(seed);
  const latencyMs = (index: number, nowMs: number): number => {
    const isIll = index === 0 && nowMs >= ILL_FROM_MS && nowMs < CURED_AT_MS;
    const hiccupMs = random() < noise ? 50 * random() : 0;
    return LATENCY_MS * (isIll ? factor : 1) * (0.7 + 0.6 * random()) + hiccupMs;
  };
  const pool = judgedPool(Array(size).fill(1), random);
  return simulate({ ...pool, random, callsPerSecond, latencyMs }, limitsMs);
}

function shareOfFirst({ calls }: SimulationWindow): number {
  const total = calls.reduce((a, b) => a + b, 0);
  return ((calls[0] ?? 0) * calls.length) / total;
}

function p99({ latenciesMs }: SimulationWindow): number {
  const sorted = [...latenciesMs].sort((a, b) => a - b);
  return sorted[Math.ceil(0.99 * sorted.length) - 1] ?? Number.NaN;
}

describe('one endpoint 20 times slower, in simulated time', () => {
  for (const size of [3, 10]) {
    for (const callsPerSecond of [100, 1_000]) {
      for (const [kind, noise] of Object.entries(NOISE)) {
        it(`of ${size} at ${callsPerSecond} calls/s, noise: ${kind}`, () => {
          const worst = { share: 0, slow: 0, back: Number.POSITIVE_INFINITY };
          for (const seed of [1, 2, 3, 4, 5]) {
            const limits = [ILL_FROM_MS, ILL_FROM_MS + 10_000, CURED_AT_MS, CURED_AT_MS + 30_000, CURED_AT_MS + 60_000];
            const [before, , ill, , cured] = run({ size, callsPerSecond, noise, seed }, limits) as [
              SimulationWindow,
              SimulationWindow,
              SimulationWindow,
              SimulationWindow,
              SimulationWindow,
            ];
            worst.share = Math.max(worst.share, shareOfFirst(ill));
            worst.slow = Math.max(worst.slow, p99(ill) / p99(before));
            worst.back = Math.min(worst.back, shareOfFirst(cured));
          }
          printFact(
            `simulated: 1 of ${size} 20 x slower, ${callsPerSecond} calls/s, noise ${kind}, worst of 5`,
            `${(worst.share * 100).toFixed(2)} % of its fair share after 10 s, p99 ${worst.slow.toFixed(2)} x healthy, ` +
              `${(worst.back * 100).toFixed(0)} % of its share 30 s after its cure`,
          );
          expect(worst.share).toBeLessThan(0.05);
          expect(worst.slow).toBeLessThan(2);
          expect(worst.back).toBeGreaterThan(0.85);
        });
      }
    }
  }
});
