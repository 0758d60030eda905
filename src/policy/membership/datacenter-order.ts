import type { Plan } from '../plan';

/** Where there are instances at all, and where calls go that nothing sends elsewhere; local first. */
export interface Whereabouts {
  readonly datacenters: readonly string[];
  readonly reach: readonly string[];
}

/** Places of a plan's calls in the order they are tried, local first. */
export function datacenterOrder(plan: Plan, { datacenters, reach }: Whereabouts): readonly string[] {
  const { failover } = plan.locality;
  const local = datacenters[0];
  if (failover === undefined || local === undefined) return reach;
  const known = new Set(datacenters);
  return [local, ...failover.filter((datacenter) => datacenter !== local && known.has(datacenter))];
}
