import type { Destination, Plan, PlannedTier } from '../policy/plan';

/** One step of the failover order. */
export type TierSpec = PlannedTier;

/**
 * The failover order of a destination: with `prefer: subset` every datacenter of the subset before its fallback, with
 * `prefer: datacenter` every subset of the chain before the next datacenter. `datacenters` is in the lane's order, local
 * first; the policy's `locality.failover`, where given, says which of the others take part and in what order. A destination
 * that names its tiers is taken at its word.
 */
export function tierOrder(
  plan: Plan,
  destination: Pick<Destination, 'chain' | 'tiers'>,
  datacenters: readonly string[],
): readonly TierSpec[] {
  if (destination.tiers !== undefined) return destination.tiers;
  const order = datacenterOrder(plan, datacenters);
  const tiers: TierSpec[] = [];
  if (plan.locality.prefer === 'datacenter') {
    for (const datacenter of order) for (const subset of destination.chain) tiers.push({ subset, datacenter });
  } else {
    for (const subset of destination.chain) for (const datacenter of order) tiers.push({ subset, datacenter });
  }
  return tiers;
}

/** Datacenters of a plan's calls in the order they are tried, local first. */
export function datacenterOrder(plan: Plan, datacenters: readonly string[]): readonly string[] {
  const { failover } = plan.locality;
  const local = datacenters[0];
  if (failover === undefined || local === undefined) return datacenters;
  const known = new Set(datacenters);
  return [local, ...failover.filter((datacenter) => datacenter !== local && known.has(datacenter))];
}
