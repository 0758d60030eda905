import { barChart } from './bar-chart';
import type { Measurement } from './harness';

const OF = /^one pick of ([0-9,]+ endpoints)$/;

/** Nanoseconds of a pick by algorithm, for each number of endpoints; on one scale, as what matters is whether it grows. */
export function pickChart(measurements: readonly Measurement[]): string {
  const picks = measurements.filter(({ group, name }) => OF.test(group) && !name.includes('unequal'));
  const most = Math.max(...picks.map(({ ns }) => ns));
  const groups = [...new Set(picks.map(({ group }) => group))];
  return barChart(
    'One pick, nanoseconds',
    groups.map((of) => ({
      title: OF.exec(of)?.[1] ?? of,
      decimals: 0,
      most,
      bars: picks
        .filter(({ group }) => group === of)
        .map(({ name, ns }) => {
          const isOurs = !name.startsWith('grpc-js');
          return { name: isOurs ? `graylane ${name}` : name, parts: [ns], isOurs };
        }),
    })),
  );
}
