import type { Plan } from './plan';

/** The label that places calls on the ring of a subset; undefined where it has none. */
export function hashLabelOf(
  { subsets, balancing }: Pick<Plan, 'subsets' | 'balancing'>,
  subset: string,
): string | undefined {
  return (subsets.get(subset)?.balancing ?? balancing).hashBy;
}

/** Those of all subsets, and the policy's own. */
export function hashLabelsOf({ subsets, balancing }: Pick<Plan, 'subsets' | 'balancing'>): readonly string[] {
  const all = [balancing, ...[...subsets.values()].map((subset) => subset.balancing)];
  return [...new Set(all.flatMap((each) => each?.hashBy ?? []))];
}

/** Some subset hashes by another label than the policy. */
export function hasOwnHashLabels({ subsets, balancing }: Pick<Plan, 'subsets' | 'balancing'>): boolean {
  return [...subsets.values()].some(
    (subset) => subset.balancing !== undefined && subset.balancing.hashBy !== balancing.hashBy,
  );
}
