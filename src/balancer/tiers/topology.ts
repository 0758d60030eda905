import type { Decision, Plan } from '../../policy/plan';
import type { Membership } from '../../snapshot/membership';
import { datacenterOrder, isBinding, type TierSpec, tierOrder } from '../../snapshot/tiers';
import type { ChannelConnection } from '../endpoints/connection';
import type { Pool, PoolKind } from './pool';

/**
 * Makes, or finds again, the pool of one group: of its listed instances, of those that drain (weight 0), or of those that
 * vanished and are kept as a last resort. `undefined`: it has none that are usable.
 */
export type PoolOf = (subset: string, datacenter: string, kind: PoolKind) => Pool | undefined;

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
    const { datacenters, isAnyAbsent, isAnyDraining } = membership;
    const kinds: readonly PoolKind[] = [
      'listed',
      ...(isAnyDraining ? (['draining'] as const) : []),
      ...(isAnyAbsent ? (['absent'] as const) : []),
    ];
    const tiersIn = (order: readonly TierSpec[]): readonly Pool[] => {
      const tiersOf = (kind: PoolKind): Pool[] =>
        order.flatMap(({ subset, datacenter }) => {
          const key = `${datacenter}\n${subset}\n${kind}`;
          const pool = pools.get(key) ?? poolOf(subset, datacenter, kind);
          if (pool === undefined) return [];
          pools.set(key, pool);
          return [pool];
        });
      return kinds.flatMap(tiersOf);
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
  const allowed = isBinding(decision) || named.some((pool) => pool.kind === 'listed') ? named : tiers;
  const wanted = force?.datacenter;
  if (wanted === undefined) return allowed;
  return [
    ...everywhere.filter((pool) => pool.datacenter === wanted),
    ...allowed.filter((pool) => pool.datacenter !== wanted),
  ];
}
