/** What the weight of an instance comes to where it serves: where all have weight 0 they serve as equals. > 0. */
export function servingWeight({ weight }: { readonly weight: number }): number {
  return weight || 1;
}

/** Share of its weight that a new endpoint begins with. */
const FIRST_SHARE = 0.1;
const STEPS = 10;
const MIN_STEP_MS = 500;

/**
 * Share of its weight that an endpoint of this age gets: 0.1 at first, then up to 1 in steps, because each step makes
 * pickers be built anew. 1 at once when slow start is off.
 *
 * @param ageMs Since it became READY for the first time. >= 0.
 * @param slowStartMs The policy's `slowStartMs`; 0 turns it off.
 * @returns In [0.1, 1].
 */
export function slowStartShare(ageMs: number, slowStartMs: number): number {
  if (ageMs >= slowStartMs) return 1;
  const stepMs = stepOf(slowStartMs);
  return Math.max(FIRST_SHARE, (Math.floor(ageMs / stepMs) * stepMs) / slowStartMs);
}

/** Milliseconds from now until the share changes next; undefined when it has reached 1. */
export function nextSlowStartStepMs(ageMs: number, slowStartMs: number): number | undefined {
  if (ageMs >= slowStartMs) return undefined;
  const stepMs = stepOf(slowStartMs);
  const nextAgeMs = (Math.floor(ageMs / stepMs) + 1) * stepMs;
  // Never 0 through rounding, or a timer would spin.
  return Math.max(1, Math.min(nextAgeMs, slowStartMs) - ageMs);
}

function stepOf(slowStartMs: number): number {
  return Math.max(slowStartMs / STEPS, MIN_STEP_MS);
}
