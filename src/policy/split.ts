import { apportion } from '../base/apportion';
import { BUCKETS, bucketOfHash, finalize, hash32, seedOf } from '../base/hash';
import type { SplitEntryPlan, SplitPlan } from './plan';
import { entryOfBucket } from './routing/decide';

export interface SplitOptions {
  /** The route's name, or its `stickySalt`. */
  readonly salt: string;
  readonly stickBy: string | undefined;
  /** Subset whose entry is what the others leave over; the first entry when it is not among them. */
  readonly base: string | undefined;
}

/** Entries that buckets alone keep monotone; with more, sticky values go by rendezvous. */
const MAX_BUCKETED_ENTRIES = 3;

/**
 * Lays the entries over 10,000 buckets: the entry after the base grows from the low end, the one after that from the
 * high end, and the base is what is left between them. So changing one share moves its difference, between it and the
 * base. A fourth entry would have to shift another, hence rendezvous hashing for sticky values from there on, which
 * moves callers only to or from the entry whose weight changed.
 */
export function compileSplit(
  entries: readonly Omit<SplitEntryPlan, 'buckets' | 'end'>[],
  options: SplitOptions,
): SplitPlan {
  const { salt, stickBy } = options;
  const [only] = entries;
  if (only !== undefined && entries.length === 1) {
    const first = (): number => 0;
    const entry = { ...only, buckets: BUCKETS, end: BUCKETS };
    return { stickBy, entries: [entry], isBucketed: true, bucketOf: first, entryOfValue: first };
  }
  const shares = apportion(
    entries.map((entry) => entry.weight),
    BUCKETS,
  );
  const planned = entries.map((entry, index) => ({ ...entry, buckets: shares[index] ?? 0, end: 0 }));
  const base = planned.find((entry) => entry.to === options.base) ?? planned[0];
  const [low, high, ...more] = planned.filter((entry) => entry !== base);
  let end = 0;
  for (const entry of [low, ...more, base, high]) {
    if (entry === undefined) continue;
    end += entry.buckets;
    entry.end = end;
  }
  const seed = seedOf(salt, 'split');
  const bucketOf = (value: string): number => bucketOfHash(hash32(value, seed));
  const isBucketed = entries.length <= MAX_BUCKETED_ENTRIES;
  const entryOfValue = isBucketed
    ? (value: string) => entryOfBucket(planned, bucketOf(value))
    : rendezvous(planned, seed);
  return { stickBy, entries: planned, isBucketed, bucketOf, entryOfValue };
}

/**
 * Weighted rendezvous hashing: each entry draws its own number in (0, 1) for the value and scores -weight / ln(number);
 * the highest score wins, so that shares are as the weights and a changed weight changes only its own entry's score.
 */
function rendezvous(entries: readonly SplitEntryPlan[], seed: number): (value: string) => number {
  const seeds = entries.map((entry) => seedOf(entry.to, 'entry'));
  return (value) => {
    const hash = hash32(value, seed);
    let best = 0;
    let bestScore = -1;
    for (let index = 0; index < entries.length; index += 1) {
      const number = ((finalize(hash ^ (seeds[index] ?? 0)) >>> 0) + 0.5) / 4_294_967_296;
      const score = -(entries[index]?.weight ?? 0) / Math.log(number);
      if (score > bestScore) {
        best = index;
        bestScore = score;
      }
    }
    return best;
  };
}
