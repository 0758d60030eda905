/** A member of a pool whose breaker is not closed. */
export interface BadMember {
  readonly key: string;
  /** When its breaker left `closed`; reopening after a failed probe does not move it. Monotonic milliseconds. */
  readonly badSinceMs: number;
}

/**
 * How many of `size` members may be held out at once: at most `maxEjectionPercentage` of them, but one in any case,
 * and never all. 0 % turns holding out off.
 */
export function ejectionLimit(size: number, maxEjectionPercentage: number): number {
  if (maxEjectionPercentage <= 0) return 0;
  return Math.max(0, Math.min(size - 1, Math.max(1, Math.floor((size * maxEjectionPercentage) / 100))));
}

/**
 * Those of the bad members that are held out. Who went bad first stays out first, so that one more failure
 * elsewhere never brings a held-out member back.
 */
export function chooseHeldOut<M extends BadMember>(
  size: number,
  bad: readonly M[],
  maxEjectionPercentage: number,
): readonly M[] {
  const limit = ejectionLimit(size, maxEjectionPercentage);
  if (bad.length <= limit) return bad;
  return [...bad].sort(byAge).slice(0, limit);
}

function byAge(a: BadMember, b: BadMember): number {
  if (a.badSinceMs !== b.badSinceMs) return a.badSinceMs - b.badSinceMs;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
