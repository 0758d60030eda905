import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../src/base/random';
import { judgeLatencies, LatencyOutlier } from '../../../../../src/client/balancer/endpoints/latency-outlier';
import { EndpointLoad } from '../../../../../src/client/balancer/endpoints/load';
import { endpointAt, steadyAttempt } from '../connections';
import { noBreaker, openPool } from '../open-pool';

/** Each outlier answers `perTick` times in each 100 ms, as fast as is said for it; judged after each. */
function answer(
  outliers: readonly LatencyOutlier[],
  latencyMs: (index: number) => number,
  fromMs: number,
  toMs: number,
  perTick = 3,
): number {
  for (let nowMs = fromMs; nowMs < toMs; nowMs += 100) {
    outliers.forEach((outlier, index) => {
      if (outlier.isDeprioritized) return;
      for (let sample = 0; sample < perTick; sample += 1) sampled(outlier, latencyMs(index), nowMs);
    });
    judgeLatencies(outliers, nowMs);
  }
  return toMs;
}

/** A good answer to a call of a method that usually takes 1 ms. */
function sampled(outlier: LatencyOutlier, latencyMs: number, nowMs: number): void {
  outlier.sampled(latencyMs, latencyMs, nowMs, nowMs);
}

function newPaces(count: number): LatencyOutlier[] {
  return Array.from({ length: count }, () => new LatencyOutlier());
}

function deprioritized(outliers: readonly LatencyOutlier[]): number[] {
  return outliers.flatMap((outlier, index) => (outlier.isDeprioritized ? [index] : []));
}

describe('whoever answers far more slowly than its peers', () => {
  it('is deprioritized after four slow answers at different moments', () => {
    const outliers = newPaces(3);
    answer(outliers, () => 10, 0, 1_000);
    answer(outliers, (index) => (index === 1 ? 200 : 10), 1_000, 1_300, 1);
    expect(deprioritized(outliers)).toEqual([]);
    answer(outliers, (index) => (index === 1 ? 200 : 10), 1_300, 1_400, 1);
    expect(deprioritized(outliers)).toEqual([1]);
  });

  it('is deprioritized after two when it was not asked for 2 s, since its peers were preferred', () => {
    const outliers = newPaces(3);
    answer(outliers, () => 10, 0, 1_000);
    answer(outliers, (index) => (index === 1 ? 200 : 10), 1_000, 1_200, 1);
    judgeLatencies(outliers, 3_000);
    expect(deprioritized(outliers)).toEqual([]);
    judgeLatencies(outliers, 3_100);
    expect(deprioritized(outliers)).toEqual([1]);
  });

  it('is asked ever more rarely, though at least every 8 s', () => {
    const outliers = newPaces(2);
    answer(outliers, () => 10, 0, 1_000);
    let nowMs = answer(outliers, (index) => (index === 0 ? 200 : 10), 1_000, 1_500);
    const [ill] = outliers as [LatencyOutlier, LatencyOutlier];
    expect(ill.isDeprioritized).toBe(true);
    const asked: number[] = [];
    for (const untilMs = nowMs + 60_000; nowMs < untilMs; nowMs += 100) {
      if (!ill.isDue(nowMs)) continue;
      asked.push(nowMs);
      ill.offered(nowMs);
      ill.sampled(200, 200, nowMs, nowMs + 200);
      judgeLatencies(outliers, nowMs);
    }
    const gaps = asked.slice(1).map((at, index) => at - (asked[index] ?? 0));
    expect(gaps.slice(0, 1).every((gap) => gap < 5_000)).toBe(true);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(8_300);
    expect(asked.length).toBeLessThanOrEqual(10);
    expect(ill.isDeprioritized).toBe(true);
  });

  it('is an endpoint like others again after three good answers in a row', () => {
    const outliers = newPaces(3);
    answer(outliers, () => 10, 0, 1_000);
    answer(outliers, (index) => (index === 0 ? 200 : 10), 1_000, 1_500);
    const [ill] = outliers as [LatencyOutlier, LatencyOutlier, LatencyOutlier];
    const answers = [12, 12, 200, 12, 12];
    for (const [nth, latencyMs] of answers.entries()) {
      ill.sampled(latencyMs, latencyMs, 20_000 + nth * 1_000, 20_000 + nth * 1_000 + latencyMs);
      judgeLatencies(outliers, 20_500 + nth * 1_000);
      expect(ill.isDeprioritized).toBe(true);
    }
    ill.sampled(12, 12, 26_000, 26_012);
    expect(judgeLatencies(outliers, 26_100)).toBe(true);
    expect(ill.isDeprioritized).toBe(false);
  });

  it('is not judged by answers to what it was asked before', () => {
    const outliers = newPaces(2);
    answer(outliers, () => 10, 0, 1_000);
    answer(outliers, (index) => (index === 0 ? 200 : 10), 1_000, 1_500);
    const [ill] = outliers as [LatencyOutlier, LatencyOutlier];
    for (let late = 0; late < 5; late += 1) ill.sampled(10, 10, 900, 1_500);
    judgeLatencies(outliers, 1_600);
    expect(ill.isDeprioritized).toBe(true);
  });

  it('is known by its fast answers once it is measured well, not by the slow ones before', () => {
    const load = new EndpointLoad();
    load.sweep(0);
    const ask = (startMs: number, tookMs: number): void => {
      const attempt = steadyAttempt();
      load.sweep(startMs);
      load.attemptStarted(attempt, startMs);
      load.attemptResponded(attempt);
      load.attemptEnded(attempt, startMs + tookMs, 'success');
    };
    ask(100, 200);
    ask(400, 200);
    expect(load.slowness).toBe(200);
    load.latencyOutlier.limit = 50;
    load.latencyOutlier.deprioritize(700);
    ask(1_500, 10);
    expect(load.slowness).toBe(10);
    expect(load.usualMs).toBe(10);
  });
});

describe('nobody is deprioritized', () => {
  it('for a pause that strikes everybody at once', () => {
    const outliers = newPaces(4);
    answer(outliers, () => 10, 0, 1_000);
    for (const outlier of outliers) for (let call = 0; call < 20; call += 1) outlier.sampled(150, 150, 900, 1_050);
    judgeLatencies(outliers, 1_100);
    expect(deprioritized(outliers)).toEqual([]);
  });

  it('for answering five times more slowly when that is less than 5 ms', () => {
    const outliers = newPaces(3);
    answer(outliers, (index) => (index === 0 ? 4.5 : 0.5), 0, 5_000);
    expect(deprioritized(outliers)).toEqual([]);
  });

  it('because one of three answers at once, such as with an error', () => {
    const outliers = newPaces(3);
    answer(outliers, (index) => (index === 0 ? 0.2 : 30), 0, 5_000);
    expect(deprioritized(outliers)).toEqual([]);
  });

  it('beyond half of them, the slowest first', () => {
    const outliers = newPaces(5);
    answer(outliers, () => 10, 0, 1_000);
    answer(outliers, (index) => (index < 2 ? 200 + 100 * index : 10), 1_000, 2_000);
    answer(outliers, (index) => (index === 2 ? 900 : 10), 2_000, 3_000);
    expect(deprioritized(outliers)).toEqual([0, 1]);
  });

  it('who has no peers to be compared with', () => {
    const alone = newPaces(1);
    answer(alone, () => 900, 0, 2_000);
    expect(deprioritized(alone)).toEqual([]);
    const [known, unknown] = newPaces(2) as [LatencyOutlier, LatencyOutlier];
    for (let call = 0; call < 50; call += 1) known.sampled(900, 900, call * 100, call * 100);
    expect(judgeLatencies([known, unknown], 6_000)).toBe(false);
  });

  it.each<[string, (draw: () => number) => number]>([
    ['one call in twenty takes ten times as long', (draw) => (draw() < 0.05 ? 100 : 10)],
    ['one call in seven takes a hundred times as long', (draw) => (draw() < 1 / 7 ? 1_000 : 10)],
    ['exponential', (draw) => -20 * Math.log(1 - draw())],
    ['a heavy tail', (draw) => 10 * (1 - draw()) ** (-1 / 1.2)],
  ])('for varying as its peers do: %s', (_, latencyMs) => {
    const random = seededRandom(11);
    const outliers = newPaces(10);
    let deprioritizedFor = 0;
    for (let nowMs = 0; nowMs < 300_000; nowMs += 100) {
      for (const outlier of outliers) {
        if (outlier.isDeprioritized && !outlier.isDue(nowMs)) continue;
        sampled(outlier, latencyMs(random) * (0.7 + 0.6 * random()), nowMs);
      }
      judgeLatencies(outliers, nowMs);
      deprioritizedFor += deprioritized(outliers).length;
    }
    // Of the time of ten endpoints.
    expect(deprioritizedFor / 30_000).toBeLessThan(0.02);
  });
});

describe('a pool', () => {
  const makeIll = (endpoints: readonly ReturnType<typeof endpointAt>[], judge: (nowMs: number) => boolean): void => {
    for (let nowMs = 0; nowMs < 2_000; nowMs += 100) {
      endpoints.forEach(({ load }, index) => {
        sampled(load.latencyOutlier, index === 0 && nowMs >= 1_000 ? 300 : 10, nowMs);
      });
      judge(nowMs);
    }
  };

  it('leaves out the slow one, except for its measuring calls', () => {
    const endpoints = [0, 1, 2].map((index) => endpointAt(index));
    const { pool, members } = openPool(endpoints, seededRandom(1));
    makeIll(endpoints, (nowMs) => pool.judge(nowMs, noBreaker));
    pool.refresh(2_000);
    expect(pool.deprioritized).toEqual([members[0]]);
    const context = { random: seededRandom(2), hash: -1, tried: undefined };
    for (let pick = 0; pick < 500; pick += 1) expect(pool.picker?.pick(context)).not.toBe(members[0]);
    expect(pool.toMeasure(2_000)).toBeUndefined();
    expect(pool.toMeasure(10_000)).toBe(members[0]);
    // Whoever asks next waits for the answer.
    expect(pool.toMeasure(10_000)).toBeUndefined();
  });

  it('keeps to the shares of an algorithm that does not go by latency', () => {
    const endpoints = [0, 1, 2].map((index) => endpointAt(index));
    const { pool, members } = openPool(endpoints, seededRandom(1), 'round_robin');
    makeIll(endpoints, (nowMs) => pool.judge(nowMs, noBreaker));
    pool.refresh(2_000);
    expect(pool.deprioritized).toEqual([]);
    const context = { random: seededRandom(2), hash: -1, tried: undefined };
    const picked = new Set(Array.from({ length: 9 }, () => pool.picker?.pick(context)));
    expect(picked).toEqual(new Set(members));
  });
});
