import { describe, expect, it } from 'vitest';
import type { Random } from '../../../../src/base/random';
import { printFact } from '../../../support/figure';
import { isLong, sliceOf } from '../../../support/slice';
import { ALGORITHMS } from '../../../unit/client/balancer/connections';
import { type Ended, FAILED, OK, OutlierRig, shareOfFirst, type VirtualCall, type World } from './rig';

const QUIET_MS = 60_000;
const SEEDS = isLong ? [1, 2, 3, 4, 5] : [1, 2];
const RUNS = isLong ? 200 : 50;

/** Most endpoints fail one call in a thousand, the first one `share` of them while it is ill. */
function illness(share: number, fromMs: number, untilMs: number): World['end'] {
  return (index, nowMs, random) =>
    random() < (index === 0 && nowMs >= fromMs && nowMs < untilMs ? share : 0.001) ? FAILED : OK;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe('one endpoint that fails a part of its calls, in simulated time', () => {
  // What evidence costs is calls: where they are rarer everything takes as much longer.
  const cases = [
    { size: 10, callsPerSecond: 1, share: 0.2, withinMs: 3_600_000, backWithinMs: 3_600_000 },
    { size: 10, callsPerSecond: 10, share: 0.2, withinMs: 300_000, backWithinMs: 400_000 },
    { size: 10, callsPerSecond: 100, share: 0.2, withinMs: 30_000, backWithinMs: 120_000 },
    { size: 10, callsPerSecond: 100, share: 0.4, withinMs: 30_000, backWithinMs: 120_000 },
    { size: 10, callsPerSecond: 1_000, share: 0.2, withinMs: 15_000, backWithinMs: 120_000 },
    { size: 3, callsPerSecond: 1, share: 0.4, withinMs: 1_200_000, backWithinMs: 1_800_000 },
    { size: 3, callsPerSecond: 100, share: 0.2, withinMs: 30_000, backWithinMs: 120_000 },
  ];

  it.each(cases)('$share of its calls, of $size at $callsPerSecond calls/s', (options) => {
    const { size, callsPerSecond, share, withinMs, backWithinMs } = options;
    const shares: number[] = [];
    const detectedMs: number[] = [];
    const backMs: number[] = [];
    for (const seed of SEEDS) {
      const curedAtMs = QUIET_MS + 3 * withinMs;
      const rig = new OutlierRig({ size, callsPerSecond, seed, end: illness(share, QUIET_MS, curedAtMs) });
      rig.run(QUIET_MS + withinMs);
      shares.push(shareOfFirst(rig.run(curedAtMs)));
      rig.run(curedAtMs + backWithinMs);
      const last = shareOfFirst(rig.run(curedAtMs + backWithinMs + 50_000 * Math.max(1, 100 / callsPerSecond)));
      expect(last).toBeGreaterThan(0.6);
      const [first] = rig.ejections;
      // Where it fails two calls of five its own breaker may be quicker.
      if (first !== undefined) detectedMs.push(first.atMs - QUIET_MS);
      const back = rig.backAtMs.findLast((atMs) => atMs >= curedAtMs);
      if (back !== undefined) backMs.push(back - curedAtMs);
      expect(rig.ejections.every(({ index }) => index === 0)).toBe(true);
    }
    const seconds = (ms: number): string => (ms / 1_000).toFixed(0);
    printFact(
      `simulated: 1 of ${size} fails ${100 * share} %, ${callsPerSecond} calls/s, mean of ${SEEDS.length}`,
      `ejected after ${seconds(mean(detectedMs))} s; ${(100 * mean(shares)).toFixed(1)} % of its fair share ` +
        `from ${seconds(withinMs)} s on; back ${seconds(mean(backMs))} s after its cure`,
    );
    expect(mean(shares)).toBeLessThan(0.2);
  });

  it.each(sliceOf(ALGORITHMS, 2))('gets at most a fifth of its share from 30 s on: %s', (algorithm) => {
    for (const seed of SEEDS) {
      const nextCall = (random: Random): VirtualCall => ({ method: '/a/B', hash: Math.floor(random() * 2 ** 32) });
      const end = illness(0.2, QUIET_MS, Number.POSITIVE_INFINITY);
      const rig = new OutlierRig({ size: 10, callsPerSecond: 100, seed, algorithm, nextCall, end });
      const before = shareOfFirst(rig.run(QUIET_MS));
      rig.run(QUIET_MS + 30_000);
      expect(shareOfFirst(rig.run(QUIET_MS + 60_000)) / before).toBeLessThan(0.2);
    }
  });

  it('is told by the figures that showed it', () => {
    const rig = new OutlierRig({ size: 10, callsPerSecond: 100, seed: 1, end: illness(0.2, 0, 1e9) });
    rig.run(30_000);
    expect(rig.ejections[0]?.because).toMatch(/^outlier: \d+ of \d+ attempts failed, \d+ of \d+ at its peers$/);
  });
});

describe('an error that no breaker counts', () => {
  const errors = (code: number): Ended => ({ outcome: 'success', code });

  it.each([
    ['UNIMPLEMENTED', 12],
    ['UNAUTHENTICATED', 16],
    ['NOT_FOUND', 5],
  ])('makes an outlier of the one that answers with it where peers answer OK: %s', (_, code) => {
    const end: World['end'] = (index) => (index === 0 ? errors(code) : OK);
    const rig = new OutlierRig({ size: 3, callsPerSecond: 100, seed: 1, end });
    rig.run(15_000);
    expect(rig.ejections[0]).toMatchObject({ index: 0 });
    expect(rig.ejections[0]?.because).toContain('ended in errors');
    expect(shareOfFirst(rig.run(45_000))).toBeLessThan(0.05);
  });

  it('is no reason where all answer with it, nor does it hide failures', () => {
    const common = (random: Random): Ended => (random() < 0.3 ? errors(5) : OK);
    const quiet = new OutlierRig({ size: 10, callsPerSecond: 100, seed: 1, end: (_i, _n, random) => common(random) });
    quiet.run(300_000);
    expect(quiet.ejections).toEqual([]);
    const end: World['end'] = (index, _, random) => (index === 0 && random() < 0.2 ? FAILED : common(random));
    const ill = new OutlierRig({ size: 10, callsPerSecond: 100, seed: 1, end });
    ill.run(30_000);
    expect(ill.ejections.map(({ index }) => index)).toEqual([0]);
  });
});

describe('nobody is an outlier', () => {
  it.each([0, 0.001, 0.01, 0.05, 0.2])(`where all fail alike: %s, ${RUNS} runs of ten minutes`, (share) => {
    let ejections = 0;
    for (let seed = 1; seed <= RUNS; seed += 1) {
      const end: World['end'] = (_index, _now, random) => (random() < share ? FAILED : OK);
      const rig = new OutlierRig({ size: seed % 2 === 0 ? 10 : 3, callsPerSecond: 5, seed, end });
      rig.run(600_000);
      ejections += rig.ejections.length;
    }
    printFact(
      `simulated: all fail ${100 * share} %, ${RUNS} runs of 10 minutes at 5 calls/s`,
      `${ejections} ejections`,
    );
    expect(ejections).toBe(0);
  });

  const worlds: Record<string, Pick<World, 'end'> & Partial<World>> = {
    'where one method fails everywhere': {
      nextCall: (random) => ({ method: random() < 0.1 ? '/a/Broken' : '/a/Fine', hash: -1 }),
      end: (_index, _now, _random, { method }) => (method === '/a/Broken' ? FAILED : OK),
    },
    'where one caller in twenty fails everywhere': {
      nextCall: (random) => ({ method: random() < 0.05 ? '/a/B?poison' : '/a/B', hash: -1 }),
      end: (_index, _now, _random, { method }) => (method.endsWith('poison') ? FAILED : OK),
    },
    'where the calls of three callers fail, which all come to one endpoint': {
      algorithm: 'ring_hash',
      nextCall: (random) => ({ method: '/a/B', hash: Math.floor(random() * 100) * 42_949_672 }),
      end: (_index, _now, random, { hash }) => (hash / 42_949_672 < 3 && random() < 0.4 ? FAILED : OK),
    },
    'that sheds load': {
      end: (index, _now, random) => (index === 0 && random() < 0.3 ? { outcome: 'less', code: 8 } : OK),
    },
    'in a common outage': {
      end: (_index, nowMs, random) => (nowMs > 30_000 && nowMs < 40_000 && random() < 0.45 ? FAILED : OK),
    },
    'for one bad second': {
      end: (index, nowMs, random) => (index === 0 && nowMs > 30_000 && nowMs < 31_000 && random() < 0.45 ? FAILED : OK),
    },
    'whose failures are the request’s': {
      end: (index, _now, random) => (index === 0 && random() < 0.3 ? { outcome: 'neutral', code: 13 } : OK),
    },
  };

  it.each(Object.entries(worlds))('%s', (_, world) => {
    for (const seed of SEEDS) {
      for (const callsPerSecond of [10, 100, 1_000]) {
        const rig = new OutlierRig({ size: 10, callsPerSecond, seed, ...world });
        rig.run(callsPerSecond === 1_000 ? 100_000 : 400_000);
        expect(rig.ejections).toEqual([]);
      }
    }
  });
});

describe('the cap on ejections', () => {
  it.each([
    [2, 1],
    [3, 1],
    [10, 5],
  ])('of %i at most %i are ejected at once', (size, most) => {
    // All but one fail: each is worse than that one, none than all others together once the worst are gone.
    const shares = Array.from({ length: size }, (_, index) => (index === size - 1 ? 0 : 0.3 - 0.02 * index));
    const end: World['end'] = (index, _, random) => (random() < (shares[index] ?? 0) ? FAILED : OK);
    const rig = new OutlierRig({ size, callsPerSecond: 200, seed: 1, end });
    for (let untilMs = 1_000; untilMs <= 120_000; untilMs += 1_000) {
      rig.run(untilMs);
      const out = rig.endpoints.filter(({ breaker }) => breaker?.trial !== undefined);
      expect(out.length).toBeLessThanOrEqual(most);
    }
    expect(rig.ejections.length).toBeGreaterThan(0);
  });
});
