import { describe, expect, it } from 'vitest';
import { type SheddingOptions, type SheddingSecond, simulateShedding } from '../../../benchmarks/fleet/shedding';
import { printFact } from '../../support/figure';

/** Three servers of 333 calls/s. */
const BASE = { instances: 3, serviceMs: 30, seed: 1, limit: () => 10 } as const;
const CAPACITY = 1_000;
const OURS = { algorithm: 'peak_ewma', hasShares: true, retry: 'room' } as const;
const ROUND_ROBIN = { algorithm: 'round_robin', hasShares: false, retry: 'never' } as const;

function lostIn(seconds: readonly SheddingSecond[]): number {
  return 100 * (sum(seconds, ({ lost }) => lost) / sum(seconds, ({ calls }) => calls));
}

function sum(seconds: readonly SheddingSecond[], of: (second: SheddingSecond) => number): number {
  return seconds.reduce((total, second) => total + of(second), 0);
}

function shareOfFirst(seconds: readonly SheddingSecond[]): number {
  return (3 * sum(seconds, ({ first }) => first)) / sum(seconds, ({ attempts }) => attempts);
}

describe('a burst of 3 s at servers that turn calls away, in virtual time', () => {
  it.each([1, 4, 40].flatMap((clients) => [0.75, 0.9, 1].map((part) => [clients, part] as const)))(
    'leaves no state behind: %i clients, %f of capacity',
    (clients, part) => {
      const options = {
        ...BASE,
        clients,
        seconds: 25,
        rate: (nowMs: number) => CAPACITY * (nowMs >= 5_000 && nowMs < 8_000 ? 2 : part),
      };
      const ours = simulateShedding({ ...options, ...OURS });
      const without = simulateShedding({ ...options, ...OURS, retry: 'never' });
      const roundRobin = simulateShedding({ ...options, ...ROUND_ROBIN });
      const lost = [ours, without, roundRobin].map((seconds) => lostIn(seconds.slice(8)));
      const [mine = 0, mineWithout = 0, beside = 0] = lost;
      printFact(
        `lost after a burst, ${clients} clients, ${part} of capacity`,
        lost.map((each) => each.toFixed(1)).join(),
      );
      expect(mine).toBeLessThanOrEqual(beside);
      expect(mineWithout).toBeLessThanOrEqual(beside + 2);
      // As well as before the burst.
      const runs = [
        ours,
        ...[2, 3, 4, 5, 6, 7, 8, 9, 10].map((seed) => simulateShedding({ ...options, ...OURS, seed })),
      ];
      const partsOf = (from: number, to: number) => lostIn(runs.flatMap((seconds) => seconds.slice(from, to)));
      expect(partsOf(15, 25)).toBeLessThan(partsOf(1, 5) + 2);
      expect(Math.abs(shareOfFirst(ours.slice(8)) - 1)).toBeLessThan(0.1);
      // In the burst nobody has room.
      expect(sum(ours.slice(6, 8), ({ attempts }) => attempts)).toBeLessThan(
        1.03 * sum(ours.slice(6, 8), ({ calls }) => calls),
      );
    },
  );
});

describe('one of three that can do less for a while, in virtual time', () => {
  const browned = (limit: number): SheddingOptions['limit'] => {
    return (instance, nowMs) => (instance === 0 && nowMs >= 5_000 && nowMs < 20_000 ? limit : 10);
  };

  it.each([
    [1, 600, 2],
    [4, 600, 2],
    [40, 600, 2],
    [1, 30, 0],
    [4, 30, 0],
  ])('gets what it can do: %i clients, %i calls/s, a limit of %i', (clients, perSecond, limit) => {
    const options = { ...BASE, clients, seconds: 55, rate: () => perSecond, limit: browned(limit) };
    const ours = simulateShedding({ ...options, ...OURS, retry: 'never' });
    const roundRobin = simulateShedding({ ...options, ...ROUND_ROBIN });
    const during = [ours, roundRobin].map((seconds) => lostIn(seconds.slice(8, 20)));
    printFact(
      `lost while one of three can do less, ${clients} clients, ${perSecond} calls/s`,
      `${during.map((each) => each.toFixed(1)).join()}; then ${shareOfFirst(ours.slice(50)).toFixed(2)} of its share`,
    );
    expect(during[0]).toBeLessThan(0.65 * (during[1] ?? 0));
    // Its share is back within 30 s, and stays. Where each of many clients makes few calls, chance moves shares a little.
    expect(shareOfFirst(ours.slice(50))).toBeGreaterThan(0.8);
    expect(lostIn(ours.slice(50))).toBeLessThanOrEqual(lostIn(roundRobin.slice(50)) + 2);
  });
});
