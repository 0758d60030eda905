/** How much of a policy's history stays in Consul. */
export interface RetentionRule {
  /** Entries, the newest among them. */
  readonly maxEntries: number;
  /** Bytes of the entries' values, together. */
  readonly maxBytes: number;
  /** Kept whatever their size, so that there is always something to roll back to. */
  readonly minEntries: number;
  /** Removed by one write at most: its transaction has 64 operations. */
  readonly maxRemovedAtOnce: number;
}

export const RETENTION: RetentionRule = {
  maxEntries: 100,
  maxBytes: 1024 * 1024,
  minEntries: 10,
  maxRemovedAtOnce: 40,
};

/**
 * How many of the oldest entries have to go. `sizes` are the bytes of all entries, oldest first, the one about to be
 * written included.
 */
export function countToRemove(sizes: readonly number[], rule: RetentionRule = RETENTION): number {
  let total = sizes.reduce((sum, size) => sum + size, 0);
  let removed = 0;
  while (sizes.length - removed > rule.minEntries && removed < rule.maxRemovedAtOnce) {
    if (sizes.length - removed <= rule.maxEntries && total <= rule.maxBytes) break;
    total -= sizes[removed] ?? 0;
    removed += 1;
  }
  return removed;
}
