import { describe, expect, it } from 'vitest';
import { sumOf } from '../../../../src/cli/console/process-charts';
import type { ServiceTraffic } from '../../../../src/client/admin/page/page-view';

const STEP_MS = 5_000;
const NOW_MS = 1_700_000_003_000;

/** A process whose steps end `phaseMs` after those of the chart, with so many attempts in each of the newest. */
function processOf(phaseMs: number, subsets: Readonly<Record<string, readonly number[]>>, failed = 0): ServiceTraffic {
  const [first = []] = Object.values(subsets);
  const end = Math.floor(NOW_MS / STEP_MS) * STEP_MS - STEP_MS + phaseMs;
  return {
    ...{ service: 'payments', target: 'consul:///payments', stepMs: STEP_MS },
    times: first.map((_, at) => end - (first.length - 1 - at) * STEP_MS),
    subsets: Object.entries(subsets).map(([subset, attempts]) => {
      return { subset, attempts, failed: attempts.map((count) => count * failed) };
    }),
  };
}

function newest(values: readonly (number | null)[] | undefined, count: number): readonly (number | null)[] {
  return values?.slice(-count) ?? [];
}

describe('the sum of what processes count', () => {
  it.each([0, 1, 1_250, 4_999])('is their rates, whenever their steps end: %i ms later', (phaseMs) => {
    const told = [
      processOf(0, { stable: [10, 20, 30], canary: [5, 5, 5] }),
      processOf(phaseMs, { stable: [50, 50, 50] }),
    ];
    const { times, perSecond } = sumOf(told, NOW_MS);
    expect(times.at(-1)).toBe(1_699_999_995_000);
    expect(times).toHaveLength(121);
    expect(perSecond.map(({ subset }) => subset)).toEqual(['canary', 'stable']);
    expect(newest(perSecond[1]?.values, 3)).toEqual([12, 14, 16]);
    expect(newest(perSecond[0]?.values, 3)).toEqual([1, 1, 1]);
  });

  it('is not known before the first of them counted, and has no share of failures without attempts', () => {
    const { perSecond, failedPercent } = sumOf([processOf(0, { stable: [0, 10, 10] }, 0.5)], NOW_MS);
    expect(newest(perSecond[0]?.values, 4)).toEqual([null, 0, 2, 2]);
    expect(newest(failedPercent[0]?.values, 4)).toEqual([null, null, 50, 50]);
  });

  it('weighs failures by attempts', () => {
    const told = [processOf(0, { stable: [90] }), processOf(700, { stable: [10] }, 1)];
    expect(newest(sumOf(told, NOW_MS).failedPercent[0]?.values, 1)).toEqual([10]);
  });

  it('of nobody is nothing', () => {
    expect(sumOf([], NOW_MS).perSecond).toEqual([]);
    expect(sumOf([processOf(0, {})], NOW_MS).perSecond).toEqual([]);
  });

  it('has a hole where a process was silent', () => {
    const told = processOf(0, { stable: [10, 10, 10] });
    const early = { ...told, times: told.times.map((time) => time - 60_000) };
    const { perSecond } = sumOf([early], NOW_MS);
    expect(newest(perSecond[0]?.values, 10)).toEqual(Array(10).fill(null));
  });
});
