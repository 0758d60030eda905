import type { Decision, Plan } from '../../policy/plan';
import type { Membership } from '../../snapshot/membership';
import { datacenterOrder, isBinding, type TierSpec, tierOrder } from '../../snapshot/tiers';
import type { ChannelConnection } from '../endpoints/connection';
import type { Pool } from './pool';

/**
 * Makes, or finds again, the pool of one group: of its listed instances, or of those that vanished and are kept as a last
 * resort. `undefined`: it has none that are usable.
 */
export type PoolOf = (subset: string, datacenter: string, isAbsent: boolean) => Pool | undefined;

/**
 * A plan's destinations as tiers of pools, for one channel and one instance set. Immutable, except that its pools
 * refresh themselves.
 */
export class Topology {
  readonly plan: Plan;
  readonly membership: Membership;
  readonly pools: readonly Pool[];
  readonly #tiers: readonly (readonly Pool[])[];
  /** The same over all datacenters, also those that `locality.failover` leaves out: an override or a force may name one. */
  readonly #everywhere: readonly (readonly Pool[])[];
  readonly #narrowed = new WeakMap<Decision, readonly Pool[]>();

  constructor(plan: Plan, membership: Membership, poolOf: PoolOf) {
    this.plan = plan;
    this.membership = membership;
    const pools = new Map<string, Pool>();
    const isAnyAbsent = membership.isAnyAbsent;
    const { datacenters } = membership;
    const tiersIn = (order: readonly TierSpec[]): readonly Pool[] => {
      const tiersOf = (isAbsent: boolean): Pool[] =>
        order.flatMap(({ subset, datacenter }) => {
          const key = `${datacenter}\n${subset}\n${isAbsent}`;
          const pool = pools.get(key) ?? poolOf(subset, datacenter, isAbsent);
          if (pool === undefined) return [];
          pools.set(key, pool);
          return [pool];
        });
      return isAnyAbsent ? [...tiersOf(false), ...tiersOf(true)] : tiersOf(false);
    };
    this.#tiers = plan.destinations.map((destination) => tiersIn(tierOrder(plan, destination, datacenters)));
    const isLimited = datacenterOrder(plan, datacenters).length < datacenters.length;
    this.#everywhere = isLimited
      ? plan.destinations.map((destination) => tiersIn(tierOrder(plan, destination, datacenters, datacenters)))
      : this.#tiers;
    this.pools = [...pools.values()];
  }

  /** In the order to be tried; empty when no tier has a usable instance. */
  tiersOf(decision: Decision): readonly Pool[] {
    const tiers = this.#tiers[decision.destination.index] ?? [];
    if (decision.datacenters === undefined && decision.force?.datacenter === undefined) return tiers;
    let narrowed = this.#narrowed.get(decision);
    if (narrowed === undefined) {
      narrowed = narrow(tiers, this.#everywhere[decision.destination.index] ?? [], decision);
      this.#narrowed.set(decision, narrowed);
    }
    return narrowed;
  }

  /** The connections that a forced endpoint or instance means, wherever they are, each with a pool that it is in. */
  forced(decision: Decision): readonly ForcedConnection[] {
    const { force } = decision;
    const found = new Map<ChannelConnection, ForcedConnection>();
    for (const pool of this.pools) {
      if (force?.subset !== undefined && pool.subset !== force.subset) continue;
      if (force?.datacenter !== undefined && pool.datacenter !== force.datacenter) continue;
      for (const connection of pool.members) {
        const { instance } = connection.endpoint;
        const isEndpoint = force?.endpoint === undefined || connection.endpoint.key.endsWith(`/${force.endpoint}`);
        const isInstance = force?.instance === undefined || force.instance === instance.id;
        if (isEndpoint && isInstance) found.set(connection, { pool, connection });
      }
    }
    return [...found.values()];
  }
}

export interface ForcedConnection {
  readonly pool: Pool;
  readonly connection: ChannelConnection;
}

/**
 * Only the datacenters that the decision allows, those of an override unless nobody is there; the one that the caller would
 * rather have comes first. `usedTiers` says the same of tiers that are no pools.
 */
function narrow(tiers: readonly Pool[], everywhere: readonly Pool[], decision: Decision): readonly Pool[] {
  const { datacenters, force } = decision;
  const named = datacenters === undefined ? tiers : everywhere.filter((pool) => datacenters.includes(pool.datacenter));
  const allowed = isBinding(decision) || named.some((pool) => !pool.isAbsent) ? named : tiers;
  const wanted = force?.datacenter;
  if (wanted === undefined) return allowed;
  return [
    ...everywhere.filter((pool) => pool.datacenter === wanted),
    ...allowed.filter((pool) => pool.datacenter !== wanted),
  ];
}
