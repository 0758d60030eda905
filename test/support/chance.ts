/** What chance alone does to counts, so that bars stand beyond it: four standard deviations, one run in 16,000. */
const SIGMAS = 4;

/** How far two shares of all calls may be apart that have one cause: `lost` of `made`, here and there. In parts of one. */
export function spreadOfShares(
  ours: { readonly made: number; readonly lost: number },
  theirs: { readonly made: number; readonly lost: number },
): number {
  // One more of each kind: none in so few says little.
  const p = (ours.lost + theirs.lost + 1) / (ours.made + theirs.made + 2);
  return SIGMAS * Math.sqrt(p * (1 - p) * (1 / ours.made + 1 / theirs.made));
}

/** How far a count may be from the `expected` one, if each of `made` is drawn by itself. */
export function spreadOfCount(made: number, expected: number): number {
  return SIGMAS * Math.sqrt(expected * (1 - expected / made));
}
