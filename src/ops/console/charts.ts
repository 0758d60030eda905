import type { ServiceCharts } from './answers';

/** A rate of a subset at each time, a second; null where nobody has told. */
type Rates = readonly (number | null)[];

/** The charts of a service, from the rates of its attempts and of those that failed, by subset. Pure. */
export function chartsOf(
  times: readonly number[],
  stepMs: number,
  subsets: readonly string[],
  ratesOf: (subset: string) => { readonly ended: Rates; readonly failed: Rates },
): ServiceCharts {
  const lines = subsets.map((subset) => {
    const { ended, failed } = ratesOf(subset);
    const percent = ended.map((all, at) => (all === null || all === 0 ? null : ((failed[at] ?? 0) / all) * 100));
    return { subset, ended, percent };
  });
  return {
    times,
    stepMs,
    perSecond: lines.map(({ subset, ended }) => ({ subset, values: ended })),
    failedPercent: lines.map(({ subset, percent }) => ({ subset, values: percent })),
  };
}
