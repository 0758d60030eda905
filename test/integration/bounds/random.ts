/** A whole number from 0 to below `below`. */
export type Random = (below: number) => number;

/** xorshift32, so that a seed says what was tried. */
export function seeded(seed: number): Random {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}
