import type { Instance } from '../../base/instances';
import { type Membership, membershipOf } from '../../policy/membership/membership';
import type { InstanceSet } from '../../policy/membership/snapshot';
import { takersOf, usedTiers } from '../../policy/membership/tiers';
import type { Decision, Plan, RoutePlan } from '../../policy/plan';

/** The outcomes of both plans over the same instances. */
export interface SideBySide {
  readonly before: Side;
  readonly after: Side;
}

export interface Side {
  readonly plan: Plan;
  readonly membership: Membership;
  readonly uses: ReadonlyMap<string, UseOf>;
  /** Every decision that calls may get, with its share of the route. */
  readonly outcomes: readonly Outcome[];
}

export interface Outcome {
  readonly path: string;
  /** `default`, the route's name, or `override`. */
  readonly name: string;
  readonly subset: string;
  readonly share: number;
  /** True for the default, an override, or a route without a match. */
  readonly isOfAll: boolean;
  /** The instances that may take calls, of the first tier that has any; those of weight 0 where no tier has others. */
  readonly serving: readonly Instance[];
  readonly decision: Decision;
  /** The matches down to this route: two outcomes with equal keys get the same calls. */
  readonly gate: readonly string[];
}

export function sideBySide(before: Plan, after: Plan, instances: InstanceSet, wallNowMs: number): SideBySide {
  return { before: sideOf(before, instances, wallNowMs), after: sideOf(after, instances, wallNowMs) };
}

function sideOf(plan: Plan, instances: InstanceSet, wallNowMs: number): Side {
  const membership = membershipOf(plan, instances);
  return { plan, membership, uses: subsetsInUse(plan, wallNowMs), outcomes: outcomesOf(plan, membership, wallNowMs) };
}

function outcomesOf(plan: Plan, membership: Membership, wallNowMs: number): readonly Outcome[] {
  const { override } = plan;
  const inForce = override !== undefined && wallNowMs < override.untilMs ? override : undefined;
  const held = inForce?.datacenterOnly === true ? inForce.decision.datacenters : undefined;
  const outcome = (decision: Decision, rest: Omit<Outcome, 'serving' | 'decision' | 'subset'>): Outcome => {
    const { destination } = decision;
    const datacenters = held ?? decision.datacenters;
    const tiers = usedTiers(plan, { ...destination, datacenters, force: undefined }, membership);
    const serving = tiers.map((tier) => takersOf(membership, tier)).find((takers) => takers.length > 0) ?? [];
    return { ...rest, subset: destination.subset, serving, decision };
  };
  const outcomes: Outcome[] = [];
  if (inForce !== undefined && !inForce.datacenterOnly) {
    const path = 'override.to';
    outcomes.push(outcome(inForce.decision, { path, name: 'override', share: 1, isOfAll: true, gate: [] }));
  }
  const gates: string[] = [];
  let isClosed = false;
  for (const route of plan.routes) {
    const gate = [...gates, gateOf(route, plan)];
    gates.push(gateOf(route, plan));
    const total = route.split.entries.reduce((sum, { weight }) => sum + weight, 0);
    const isOfAll = route.match === undefined;
    isClosed ||= isOfAll;
    for (const [at, { weight, decision }] of route.split.entries.entries()) {
      if (weight <= 0) continue;
      const path =
        route.split.entries.length === 1 ? `routes[${route.index}].to` : `routes[${route.index}].split[${at}]`;
      outcomes.push(outcome(decision, { path, name: route.name, share: weight / total, isOfAll, gate }));
    }
  }
  if (!isClosed) {
    outcomes.push(
      outcome(plan.fallthrough, { path: 'default', name: 'default', share: 1, isOfAll: true, gate: gates }),
    );
  }
  return outcomes;
}

/** The condition of a route as text: from its document, or from the description of a chain's route. */
function gateOf({ index, name, match }: RoutePlan, plan: Plan): string {
  const written = plan.document?.routes?.[index]?.match;
  return JSON.stringify(written ?? (match === undefined ? null : [name, match.labels.map(({ describe }) => describe)]));
}

/** Why a subset is in use, as messages name it: `default`, `route everyone`, `fallback of canary`, `override`. */
export type UseOf = string;

/** The subsets that calls reach under a plan, also as fallbacks, each with its first reason. */
function subsetsInUse(plan: Plan, wallNowMs: number): ReadonlyMap<string, UseOf> {
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
  for (const { fallback } of plan.lanes?.dimensions ?? []) use(fallback?.destination.chain ?? [], 'fallback of lanes');
  for (const { name, split } of plan.routes) {
    for (const { weight, decision } of split.entries) {
      if (weight > 0) use(decision.destination.chain, `route ${name}`);
    }
  }
  return uses;
}
