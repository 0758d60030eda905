import type { BatchCost } from '../peers/calls';
import { pairedDifference, quantile, type Spread } from '../sample';

/** What one batch cost: the client, and the proxy if there is one. */
export interface Cost extends BatchCost {
  readonly proxyUsPerCall: number;
}

/** What one way of splitting calls costs, and adds to calls that go straight to a server. Microseconds. */
export interface WayLine {
  readonly concurrency: number;
  readonly way: string;
  readonly isOurs: boolean;
  readonly clientUs: number;
  readonly proxyUs: number;
  readonly addedCpuUs: Spread;
  readonly addedP50Us: Spread;
  /** Processor time of client and proxy, less that of a client with the library. */
  readonly moreThanOursUs: Spread;
}

type Added = 'addedCpuUs' | 'addedP50Us';

export function lineOf(
  about: Pick<WayLine, 'concurrency' | 'way' | 'isOurs'>,
  costs: readonly Cost[],
  { direct, ours }: { readonly direct: readonly Cost[]; readonly ours: readonly Cost[] },
): WayLine {
  const both = (list: readonly Cost[]): readonly number[] =>
    list.map(({ cpuUsPerCall, proxyUsPerCall }) => cpuUsPerCall + proxyUsPerCall);
  const p50 = (list: readonly Cost[]): readonly number[] => list.map(({ p50Us }) => p50Us);
  const median = (read: (cost: Cost) => number): number => quantile(costs.map(read), 0.5);
  return {
    ...about,
    clientUs: median(({ cpuUsPerCall }) => cpuUsPerCall),
    proxyUs: median(({ proxyUsPerCall }) => proxyUsPerCall),
    addedCpuUs: pairedDifference(both(costs), both(direct)),
    addedP50Us: pairedDifference(p50(costs), p50(direct)),
    moreThanOursUs: pairedDifference(both(costs), both(ours)),
  };
}

/**
 * The proxy that adds least, beside what the library adds. Where the library adds so little that the rounds cannot tell it from
 * nothing, there is no ratio to give: then how much it is at the most, and what follows from that.
 */
export function comparedWithBest(lines: readonly WayLine[], field: Added): string | undefined {
  const ours = lines.find(({ isOurs }) => isOurs)?.[field];
  const [best] = lines
    .filter(({ isOurs, proxyUs }) => !isOurs && proxyUs > 0)
    .toSorted((a, b) => a[field].median - b[field].median);
  if (ours === undefined || best === undefined) return undefined;
  const theirs = best[field];
  const head = `the best proxy, ${best.way}, adds ${theirs.median.toFixed(1)} us (95 %: ${bounds(theirs)}); graylane `;
  const most = ours.surely[1];
  const least = theirs.surely[0];
  // Both at the ends of their intervals that speak for the proxy.
  const atLeast = most > 0 && least > 0 ? `, so the proxy adds at least ${(least / most).toFixed(1)} x as much` : '';
  if (ours.surely[0] > 0) {
    const ratio = (theirs.median / ours.median).toFixed(1);
    return `${head}adds ${ours.median.toFixed(1)} us (95 %: ${bounds(ours)}): ${ratio} x${atLeast}`;
  }
  if (most <= 0) return `${head}adds nothing that can be seen (95 %: ${bounds(ours)})`;
  return `${head}is within noise (${ours.median.toFixed(1)} us; 95 %: ${bounds(ours)}): at most ${most.toFixed(1)} us${atLeast}`;
}

function bounds({ surely: [low, high] }: Spread): string {
  return `${low.toFixed(1)} .. ${high.toFixed(1)}`;
}
