import { describe, expect, it } from 'vitest';
import type { AnnouncedWindow } from '../../../../src/base/rollout-metrics';
import { DURATION_BOUNDS_MS, type RolloutMetricsReport } from '../../../../src/base/rollout-metrics';
import { WindowCounts } from '../../../../src/client/rollout-metrics/service-reporter';
import { quantileMs } from '../../../../src/ops/rollout/analysis/subset-metrics';
import { printFact } from '../../../support/figure';

const WINDOW: AnnouncedWindow = { id: 'r1/1', canary: 'canary', stable: 'stable', everyMs: 5000 };
const never = (): boolean => false;

function durationsOf(report: RolloutMetricsReport): {
  readonly boundsMs: readonly number[];
  readonly counts: readonly number[];
} {
  return { boundsMs: DURATION_BOUNDS_MS, counts: report.canary.durations };
}

describe('counts of a window', () => {
  it('go to who served; a call meant for the canary that stable served is a fallback of the canary', () => {
    const counts = new WindowCounts(WINDOW);
    counts.attemptEnded('canary', 'canary', 'success', 3);
    counts.attemptEnded('canary', 'canary', 'failure', 3);
    counts.attemptEnded('canary', 'canary', 'silent', 200);
    counts.attemptEnded('canary', 'canary', 'neutral', 3);
    counts.attemptEnded('canary', 'stable', 'success', 3);
    counts.attemptEnded('stable', 'stable', 'success', 3);
    counts.attemptEnded('staff', 'staff', 'failure', 3);
    counts.attemptEnded('staff', 'stable', 'success', 3);
    expect(counts.report((subset) => subset === 'canary')).toMatchObject({
      window: 'r1/1',
      number: 1,
      canary: { calls: 3, failures: 2, neutral: 1, fallbacks: 1, isShed: true },
      stable: { calls: 3, failures: 0, neutral: 0, fallbacks: 0, isShed: false },
    });
  });

  it('have the answers of copies that were compared, where there are any', () => {
    const counts = new WindowCounts(WINDOW);
    expect(Object.keys(counts.report(never).canary)).not.toContain('compared');
    for (const isDiffering of [false, true, false]) counts.answersCompared('canary', isDiffering);
    counts.answersCompared('staff', true);
    const { canary, stable } = counts.report(never);
    expect(canary).toMatchObject({ calls: 0, compared: 3, differing: 1 });
    expect(Object.keys(stable)).not.toContain('compared');
  });

  it('are cumulative, numbered, and another client with each window', () => {
    const [one, two] = [new WindowCounts(WINDOW), new WindowCounts(WINDOW)];
    one.attemptEnded('canary', 'canary', 'success', 3);
    const first = one.report(never);
    one.attemptEnded('canary', 'canary', 'success', 3);
    expect([first.canary.calls, one.report(never).canary.calls, one.report(never).number]).toEqual([1, 2, 3]);
    // A report that was handed out does not change any more.
    expect(first.canary.durations.reduce((sum, count) => sum + count, 0)).toBe(1);
    expect(first.client).not.toBe(two.report(never).client);
    expect(first.client).toBe(one.report(never).client);
  });

  it('know durations to a bucket: a bound belongs to the one under it, and quantiles are no further off than its width', () => {
    const counts = new WindowCounts(WINDOW);
    for (const ms of [0, 0.5, 0.51, 32_768, 32_769, 1e9, Number.NaN]) {
      counts.attemptEnded('canary', 'canary', 'success', ms);
    }
    const { durations } = counts.report(never).canary;
    expect([durations[0], durations[1], durations[29], durations[30]]).toEqual([2, 1, 1, 3]);
    const even = new WindowCounts(WINDOW);
    for (let ms = 1; ms <= 1000; ms += 1) even.attemptEnded('canary', 'canary', 'success', ms);
    for (const [share, ms] of [
      [0.5, 500],
      [0.95, 950],
      [0.99, 990],
    ] as const) {
      expect(quantileMs(durationsOf(even.report(never)), share) / ms).toBeGreaterThan(0.95);
      expect(quantileMs(durationsOf(even.report(never)), share) / ms).toBeLessThan(1.05);
    }
  });

  it('cost an attempt little', () => {
    const counts = new WindowCounts(WINDOW);
    const run = (attempts: number): number => {
      const begun = performance.now();
      for (let at = 0; at < attempts; at += 1) {
        const served = (at & 15) === 0 ? 'canary' : 'stable';
        counts.attemptEnded(served, served, (at & 127) === 0 ? 'failure' : 'success', (at & 1023) / 10);
      }
      return ((performance.now() - begun) / attempts) * 1e6;
    };
    run(200_000);
    const took = [run(200_000), run(200_000), run(200_000)].sort((a, b) => a - b)[1] ?? Number.NaN;
    const bytes = Buffer.byteLength(JSON.stringify(counts.report(never)));
    printFact('counting an attempt for a report', `${took.toFixed(0)} ns; the report of 800,000 is ${bytes} bytes`);
    expect(counts.report(never).canary.calls + counts.report(never).stable.calls).toBe(800_000);
  });
});
