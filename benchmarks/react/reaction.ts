import { quantile } from '../sample';

/** How long something took to show, repeated. */
export interface Reaction {
  readonly what: string;
  readonly samplesMs: readonly number[];
}

export interface ReactionFigure {
  readonly what: string;
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly mostMs: number;
}

export function figureOf({ what, samplesMs }: Reaction): ReactionFigure {
  return {
    what,
    count: samplesMs.length,
    p50Ms: quantile(samplesMs, 0.5),
    p99Ms: quantile(samplesMs, 0.99),
    mostMs: Math.max(...samplesMs),
  };
}

export function formatFigure({ what, count, p50Ms, p99Ms, mostMs }: ReactionFigure): string {
  const ms = (value: number): string => `${value.toFixed(1)} ms`.padStart(10);
  return `  ${what.padEnd(52)}p50${ms(p50Ms)}  p99${ms(p99Ms)}  most${ms(mostMs)}  (n=${count})`;
}
