import { expect, it } from 'vitest';
import { type Random, seededRandom } from '../../../../../src/base/random';
import { printFact } from '../../../../support/figure';
import { judgedPool } from '../open-pool';
import { simulate } from '../pool-simulation';

/** In milliseconds, wherever the call goes. */
const KINDS: Readonly<Record<string, (random: Random) => number>> = {
  'one in 100 takes 100 times as long': (random) => (random() < 0.01 ? 100 : 1),
  'one in ten, as without a cache': (random) => (random() < 0.1 ? 100 : 1),
  'three in ten take long': (random) => (random() < 0.3 ? 300 : 0.5),
  'half take 20 times as long': (random) => (random() < 0.5 ? 20 : 1),
  'of three kinds': (random) => [1, 1, 1, 1, 1, 1, 10, 10, 10, 100][Math.floor(10 * random())] ?? 1,
  exponential: (random) => -20 * Math.log(1 - random()),
  'lognormal, sigma 1.5': (random) =>
    5 * Math.exp(1.5 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())),
};

/** 5 s of them, and at least a hundred calls for each endpoint. */
function leastShare(latency: (random: Random) => number, size: number, callsPerSecond: number, seed: number): number {
  const random = seededRandom(seed);
  const stepMs = Math.max(5_000, (size * 100_000) / callsPerSecond);
  const limits = Array.from({ length: 10 }, (_, step) => (step + 1) * stepMs);
  const latencyMs = (): number => latency(random);
  const windows = simulate({ ...judgedPool(Array(size).fill(1), random), random, callsPerSecond, latencyMs }, limits);
  return Math.min(
    ...windows.map(({ calls }) => (Math.min(...calls) * size) / calls.reduce((sum, count) => sum + count, 0)),
  );
}

it.each(Object.keys(KINDS))('answers that vary alike everywhere keep no call from anybody: %s', (kind) => {
  const shares = [3, 10].flatMap((size) =>
    [5, 50, 500, 3_000].flatMap((callsPerSecond) =>
      [1, 2, 3].map((seed) => leastShare(KINDS[kind] ?? Number, size, callsPerSecond, seed)),
    ),
  );
  printFact(
    `least share of an endpoint in 5 s, answers vary: ${kind}`,
    shares.map((share) => share.toFixed(2)).join(' '),
  );
  // Of a hundred calls each, the least of ten has 0.75 of its share by chance.
  expect(Math.min(...shares)).toBeGreaterThan(0.6);
});
