import type { Plan } from '../plan';

/** Datacenters of a plan's calls in the order they are tried, local first. */
export function datacenterOrder(plan: Plan, datacenters: readonly string[]): readonly string[] {
  const { failover } = plan.locality;
  const local = datacenters[0];
  if (failover === undefined || local === undefined) return datacenters;
  const known = new Set(datacenters);
  return [local, ...failover.filter((datacenter) => datacenter !== local && known.has(datacenter))];
}
