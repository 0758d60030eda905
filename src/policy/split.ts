import { apportion } from '../base/apportion';
import { BUCKETS, bucketOfHash, finalize, hash32, seedOf } from '../base/hash';
import type { SplitEntryPlan, SplitPlan } from './plan';

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
export function compileSplit(entries: readonly Omit<SplitEntryPlan, 'buckets'>[], options: SplitOptions): SplitPlan {
  const { salt, stickBy, base } = options;
  const [only] = entries;
  if (only !== undefined && entries.length === 1) {
    const first = (): number => 0;
    const entry = { ...only, buckets: BUCKETS };
    return { stickBy, entries: [entry], isBucketed: true, bucketOf: first, entryOf: first, entryOfValue: first };
  }
  const shares = apportion(
    entries.map((entry) => entry.weight),
    BUCKETS,
  );
  const planned = entries.map((entry, index) => ({ ...entry, buckets: shares[index] ?? 0 }));
  const seed = seedOf(salt, 'split');
  const bucketOf = (value: string): number => bucketOfHash(hash32(value, seed));
  const entryOf = entryFinder(planned, base);
  const isBucketed = entries.length <= MAX_BUCKETED_ENTRIES;
  const entryOfValue = isBucketed ? (value: string) => entryOf(bucketOf(value)) : rendezvous(planned, seed);
  return { stickBy, entries: planned, isBucketed, bucketOf, entryOf, entryOfValue };
}

function entryFinder(entries: readonly SplitEntryPlan[], base: string | undefined): (bucket: number) => number {
  const named = entries.findIndex((entry) => entry.subset === base);
  const baseIndex = named === -1 ? 0 : named;
  const [low, high, ...more] = entries.map((_, index) => index).filter((index) => index !== baseIndex);
  const order = [low, ...more, baseIndex, high].filter((index) => index !== undefined);
  const ends: number[] = [];
  let end = 0;
  for (const index of order) {
    end += entries[index]?.buckets ?? 0;
    ends.push(end);
  }
  return (bucket) => {
    for (let at = 0; at < ends.length; at += 1) if (bucket < (ends[at] ?? 0)) return order[at] ?? 0;
    return baseIndex;
  };
}

/**
 * Weighted rendezvous hashing: each entry draws its own number in (0, 1) for the value and scores -weight / ln(number);
 * the highest score wins, so that shares are as the weights and a changed weight changes only its own entry's score.
 */
function rendezvous(entries: readonly SplitEntryPlan[], seed: number): (value: string) => number {
  const seeds = entries.map((entry) => seedOf(entry.subset, 'entry'));
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
