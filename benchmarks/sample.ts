/** What many rounds gave. */
export interface Spread {
  readonly median: number;
  /** Tenth and ninetieth percentile. */
  readonly low: number;
  readonly high: number;
  /** The median that endless rounds would have lies between these, with 95 % confidence. */
  readonly surely: readonly [number, number];
}

export function spreadOf(values: readonly number[]): Spread {
  return {
    median: quantile(values, 0.5),
    low: quantile(values, 0.1),
    high: quantile(values, 0.9),
    surely: medianBounds(values),
  };
}

/** Each round's value by the reference's of the same round, so that what disturbs a whole round cancels out. */
export function pairedRatio(values: readonly number[], reference: readonly number[]): Spread {
  return spreadOf(values.map((value, round) => value / (reference[round] ?? Number.NaN)));
}

/** Each round's value less the reference's of the same round. */
export function pairedDifference(values: readonly number[], reference: readonly number[]): Spread {
  return spreadOf(values.map((value, round) => value - (reference[round] ?? Number.NaN)));
}

/** By rank, so that it holds whatever the distribution. With fewer than six values they are the extremes, and say less than 95 %. */
function medianBounds(values: readonly number[]): readonly [number, number] {
  const sorted = values.toSorted((a, b) => a - b);
  const { length } = sorted;
  const below = Math.max(0, Math.round(length / 2 - 0.98 * Math.sqrt(length)) - 1);
  return [sorted[below] ?? Number.NaN, sorted[length - 1 - below] ?? Number.NaN];
}

export function quantile(values: readonly number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(at * sorted.length))] ?? Number.NaN;
}

/**
 * Runs every participant once a round, beginning with another one each time: noise and drift of the machine hit all of
 * them alike. The first rounds are for warming up and are not kept.
 */
export async function interleaved<T, R>(
  participants: readonly T[],
  rounds: { readonly kept: number; readonly warmUp: number },
  run: (participant: T) => Promise<R>,
): Promise<ReadonlyMap<T, readonly R[]>> {
  const results = new Map<T, R[]>(participants.map((participant) => [participant, []]));
  for (let round = -rounds.warmUp; round < rounds.kept; round += 1) {
    for (let turn = 0; turn < participants.length; turn += 1) {
      const at = (turn + round + rounds.warmUp) % participants.length;
      const participant = participants[at] as T;
      const result = await run(participant);
      if (round >= 0) results.get(participant)?.push(result);
    }
  }
  return results;
}
