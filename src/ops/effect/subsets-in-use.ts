import type { Plan } from '../../policy/plan';

/** Why a subset is in use, as messages name it: `default`, `route everyone`, `fallback of canary`, `override`. */
export type UseOf = string;

/** The subsets that calls get to under a plan, or that stand in for these; each with the first reason. */
export function subsetsInUse(plan: Plan, wallNowMs: number): ReadonlyMap<string, UseOf> {
  const uses = new Map<string, UseOf>();
  const use = (chain: readonly string[], why: UseOf): void => {
    for (const [at, subset] of chain.entries()) {
      if (!uses.has(subset)) uses.set(subset, at === 0 ? why : `fallback of ${chain[at - 1]}`);
    }
  };
  const { override } = plan;
  if (override !== undefined && !override.datacenterOnly && wallNowMs < override.untilMs) {
    use(override.decision.destination.chain, 'override');
  }
  use(plan.fallthrough.destination.chain, 'default');
  for (const { name, split } of plan.routes) {
    for (const { weight, decision } of split.entries) {
      if (weight > 0) use(decision.destination.chain, `route ${name}`);
    }
  }
  return uses;
}
