/**
 * Shares `total` whole units out by weight: each gets the whole part of its due, what is left goes to the largest
 * remainders (ties: the earlier one). A positive weight never gets none; its unit is taken from the largest share.
 * Weights are finite and >= 0, at least one of them positive, and no more of them positive than there are units.
 */
export function apportion(weights: readonly number[], total: number): readonly number[] {
  // Scaled first, since the sum of huge weights is infinite.
  const largest = Math.max(...weights);
  const scaled = weights.map((weight) => weight / largest);
  const sum = scaled.reduce((left, right) => left + right, 0);
  const due = scaled.map((weight) => (weight / sum) * total);
  const shares = due.map(Math.floor);
  const left = total - shares.reduce((before, share) => before + share, 0);
  const byRemainder = due
    .map((amount, index) => ({ index, remainder: amount - Math.floor(amount) }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  for (const { index } of byRemainder.slice(0, left)) shares[index] = (shares[index] ?? 0) + 1;
  for (const [index, weight] of weights.entries()) {
    if (weight === 0 || shares[index] !== 0) continue;
    const richest = shares.indexOf(Math.max(...shares));
    shares[richest] = (shares[richest] ?? 0) - 1;
    shares[index] = 1;
  }
  return shares;
}
