import { barChart } from '../bar-chart';
import type { WayLine } from './added';

/** Processor time of client and proxy laid end to end, and how much later the median answer comes. */
export function proxyChart(lines: readonly WayLine[]): string {
  const concurrencies = [...new Set(lines.map(({ concurrency }) => concurrency))];
  const groups = concurrencies.flatMap((at) => {
    const here = lines.filter(({ concurrency }) => concurrency === at);
    return [
      {
        title: `processor time of a call, ${at} at a time`,
        decimals: 0,
        bars: here.map(({ way, isOurs, clientUs, proxyUs }) => ({ name: way, parts: [clientUs, proxyUs], isOurs })),
      },
      {
        title: `added to the median latency, ${at} at a time`,
        decimals: 0,
        bars: here
          .filter(({ isOurs, proxyUs }) => isOurs || proxyUs > 0)
          .map(({ way, isOurs, addedP50Us }) => ({ name: way, parts: [addedP50Us.median], isOurs })),
      },
    ];
  });
  return barChart('The same 90/10 split in the client and by a proxy, microseconds', groups, ['client', 'proxy']);
}
