import { nearest } from '../../../base/spelling';
import type { Membership } from '../../../policy/membership/membership';
import { usedTiers } from '../../../policy/membership/tiers';
import type { Decision } from '../../../policy/plan';
import { describeEmpty } from './describe-empty';
import type { Pool } from './pool';
import type { Topology } from './topology';

/**
 * Says in one line why no tier can serve: for each subset of the decision's chain what there is and why it is not
 * reachable, ending with `fallback none` where nobody may stand in. `isDenied`: somebody might, and has his share already.
 */
export function describeRefusal(
  service: string,
  decision: Decision,
  membership: Membership,
  tiers: readonly Pool[],
  isDenied = false,
): string {
  const used = usedTiers(decision.plan, { ...decision, ...decision.destination }, membership);
  const datacenters = [...new Set(used.map(({ datacenter }) => datacenter))];
  const { chain, subset: own } = decision.destination;
  const parts = (isDenied ? chain.slice(0, 1) : chain).map((subset, position) => {
    const prefix = position === 0 ? `${service}/${subset}` : `fallback ${subset}`;
    return `${prefix}: ${describeSubset(subset, datacenters, decision, membership, tiers)}`;
  });
  const most = decision.plan.subsets.get(own)?.fallbackMaxPercentage ?? 100;
  const denied = `fallback ${chain[1] ?? 'none'}: takes at most ${most} % of these calls (fallbackMaxPercentage)`;
  const suffix = isDenied ? [denied] : chain.length === 1 ? ['fallback none'] : [];
  const connect =
    membership.connectOnly.length === 0
      ? []
      : [`CONNECT_ONLY: only Connect proxies are registered in ${membership.connectOnly.join(', ')}`];
  const forced = decision.force === undefined ? [] : [`forced by the caller to ${describeForce(decision)}`];
  return [...forced, ...parts, ...suffix, ...connect].join('; ');
}

/** Says in one line what stands in the way of calls that wait: of each pool, how many are connected and the last failure. */
export function describeWaiting(service: string, topology: Topology): string {
  const pools = topology.pools.map((pool) => {
    const connected = pool.members.filter((member) => member.isReady).length;
    const failure = pool.lastFailure === undefined ? '' : ` (last failure: ${pool.lastFailure})`;
    return `${pool.subset} in ${pool.datacenter}: ${connected} of ${pool.members.length + pool.missing} connected${failure}`;
  });
  return `${service}: ${pools.length === 0 ? 'no usable instance is known' : pools.join(', ')}`;
}

export function describeForce(decision: Decision): string {
  return Object.entries(decision.force ?? {})
    .filter(([key]) => key !== 'strict')
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(', ');
}

function describeSubset(
  subset: string,
  datacenters: readonly string[],
  decision: Decision,
  membership: Membership,
  tiers: readonly Pool[],
): string {
  const pools = tiers.filter((pool) => pool.subset === subset);
  if (datacenters.length === 0) return describeUnknownDatacenter(decision, membership);
  const where = datacenters.join(', ');
  if (pools.length === 0) {
    const failures = datacenters.flatMap((datacenter) => {
      const failure = membership.filterFailure(subset, datacenter);
      if (failure === undefined) return [];
      return [`its filter ${failure.isRefused ? 'is refused by' : 'has no answer from'} Consul (${failure.reason})`];
    });
    if (failures.length > 0) return `0 instances in ${where}: ${failures[0]}`;
    const unusable = datacenters.reduce(
      (sum, datacenter) => sum + (membership.group(subset, datacenter)?.unusable.length ?? 0),
      0,
    );
    return unusable === 0
      ? describeEmpty(decision.plan.subsets.get(subset), datacenters, where, membership)
      : `0 usable of ${unusable} instances in ${where}`;
  }
  return pools
    .map((pool) => {
      const failure = pool.lastFailure === undefined ? '' : ` (last failure: ${pool.lastFailure})`;
      return `0 of ${pool.members.length + pool.missing} connected in ${pool.datacenter}${failure}`;
    })
    .join(', ');
}

/** The datacenter that a force names is none of this client's. */
function describeUnknownDatacenter({ datacenters = [] }: Decision, membership: Membership): string {
  const known = membership.datacenters;
  const meant = datacenters.map((name) => nearest(name, known)).find((name) => name !== undefined);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  return `0 instances in ${datacenters.join(', ') || 'no datacenter'} (this client looks in ${known.join(', ')}${hint})`;
}
