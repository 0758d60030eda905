/** What chance alone can do: exact binomial tails. */

/** The chance of `atLeast` or more successes in `trials`, each with the chance `p`. */
export function upperTail(atLeast: number, trials: number, p: number): number {
  if (atLeast <= 0) return 1;
  if (atLeast > trials || p <= 0) return 0;
  if (p >= 1) return 1;
  let logTerm = logChoose(trials, atLeast) + atLeast * Math.log(p) + (trials - atLeast) * Math.log1p(-p);
  let sum = 0;
  for (let k = atLeast; k <= trials; k += 1) {
    sum += Math.exp(logTerm);
    logTerm += Math.log((trials - k) / (k + 1)) + Math.log(p / (1 - p));
  }
  return Math.min(1, sum);
}

/** The chance of `atMost` or fewer successes. */
export function lowerTail(atMost: number, trials: number, p: number): number {
  return upperTail(trials - atMost, trials, 1 - p);
}

function logChoose(n: number, k: number): number {
  let sum = 0;
  for (let i = 1; i <= k; i += 1) sum += Math.log((n - k + i) / i);
  return sum;
}

export interface Loss {
  readonly made: number;
  readonly lost: number;
}

/** The chance that so large a part of all lost calls is ours, if each lost call were as likely theirs. */
export function chanceOfLoss(ours: Loss, theirs: Loss): number {
  return upperTail(ours.lost, ours.lost + theirs.lost, ours.made / Math.max(1, ours.made + theirs.made));
}

/** How far from fair an instance is that is farthest from it: 1.2 is a fifth too much, 0.8 a fifth too little. */
export function worstShare(counts: readonly number[]): number {
  const shares = sharesOf(counts);
  return shares.reduce((worst, share) => (Math.abs(share - 1) > Math.abs(worst - 1) ? share : worst), 1);
}

/**
 * The chance that an instance gets so much, or so little, if each call were drawn by a die that gives no instance more,
 * nor less, than theirs gave one. Of the instance for which it is least; as any of them could have been it, it is
 * multiplied by their number, and by two for the two directions.
 */
export function chanceOfShares(ours: readonly number[], theirs: readonly number[]): number {
  const most = Math.max(1, ...sharesOf(theirs)) / ours.length;
  const least = Math.min(1, ...sharesOf(theirs)) / ours.length;
  const total = ours.reduce((sum, count) => sum + count, 0);
  const chances = ours.map((count) => Math.min(upperTail(count, total, most), lowerTail(count, total, least)));
  return Math.min(1, Math.min(...chances) * ours.length * 2);
}

function sharesOf(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return total === 0 ? [] : counts.map((count) => (count * counts.length) / total);
}
