import type { Algorithm } from '../../policy/document';
import type { Plan } from '../../policy/plan';

/** How the endpoints of a subset share its calls. */
export interface SubsetBalancingView {
  /** Name of the subset. */
  readonly subset: string;
  /** The policy's, unless the subset has its own. */
  readonly algorithm: Algorithm;
  /** Label that places a call on the ring; undefined without one. */
  readonly hashBy: string | undefined;
}

export function balancingOf({ subsets, balancing }: Plan, subset: string): SubsetBalancingView {
  const { algorithm, hashBy } = subsets.get(subset)?.balancing ?? balancing;
  return { subset, algorithm, hashBy };
}
