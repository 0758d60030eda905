import type { Membership } from '../../../policy/membership/membership';
import {
  datacenterOrder,
  isMeant,
  type TierKind,
  tierOrder,
  type UsedTier,
  usedTiers,
  withLastResorts,
} from '../../../policy/membership/tiers';
import type { Decision, Destination, Plan } from '../../../policy/plan';
import type { ChannelConnection } from '../endpoints/connection';
import type { PooledConnection } from './order';
import type { Pool } from './pool';

/**
 * Makes, or finds again, the pool of one group: of its listed instances, of those that drain (weight 0), or of those
 * that vanished and are kept as a last resort. `undefined`: it has none that are usable.
 */
export type PoolOf = (subset: string, datacenter: string, kind: TierKind) => Pool | undefined;

/** The tiers of a decision that have somebody, in the order to be tried. */
export interface Tiers {
  readonly pools: readonly Pool[];
  /** Of each pool, which step of the failover order it is: tiers without an instance count. */
  readonly numbers: readonly number[];
}

export const NO_TIERS: Tiers = { pools: [], numbers: [] };

/**
 * A plan's destinations as tiers of pools, for one channel and one instance set. Immutable, except that its pools
 * refresh themselves.
 */
export class Topology {
  readonly plan: Plan;
  readonly membership: Membership;
  readonly pools: readonly Pool[];
  /** Some subset of the plan caps how many of its calls its fallback takes. */
  readonly hasFallbackCaps: boolean;
  readonly #byTier = new Map<string, Pool>();
  /** By the index of a destination: what decisions go by that neither force nor override narrows. */
  readonly tiers: readonly Tiers[];
  readonly #narrowed = new WeakMap<Decision, Tiers>();

  constructor(plan: Plan, membership: Membership, poolOf: PoolOf) {
    this.plan = plan;
    this.membership = membership;
    this.hasFallbackCaps = [...plan.subsets.values()].some(
      ({ fallback, fallbackMaxPercentage }) => fallback !== undefined && fallbackMaxPercentage < 100,
    );
    const { datacenters } = membership;
    const orders = plan.destinations.map((destination) =>
      usedTiers(plan, { ...destination, datacenters: undefined, force: undefined }, membership),
    );
    // Also those that `locality.failover` leaves out: an override or a force may name one.
    const isLimited = datacenterOrder(plan, membership).length < datacenters.length;
    const others = isLimited ? plan.destinations.flatMap((one) => everywhere(plan, one, membership)) : [];
    for (const tier of [...orders.flat(), ...others]) {
      const key = tierKey(tier);
      if (this.#byTier.has(key)) continue;
      const pool = poolOf(tier.subset, tier.datacenter, tier.kind);
      if (pool !== undefined) this.#byTier.set(key, pool);
    }
    this.pools = [...this.#byTier.values()];
    this.tiers = orders.map((order) => this.#tiersIn(order));
  }

  /** Of a decision that is held to a datacenter. */
  narrowedTiers(decision: Decision): Tiers {
    const { destination, datacenters, force } = decision;
    let narrowed = this.#narrowed.get(decision);
    if (narrowed === undefined) {
      narrowed = this.#tiersIn(usedTiers(this.plan, { ...destination, datacenters, force }, this.membership));
      this.#narrowed.set(decision, narrowed);
    }
    return narrowed;
  }

  #tiersIn(order: readonly UsedTier[]): Tiers {
    const pools: Pool[] = [];
    const numbers: number[] = [];
    for (const [number, tier] of order.entries()) {
      const pool = this.#byTier.get(tierKey(tier));
      if (pool === undefined) continue;
      pools.push(pool);
      numbers.push(number);
    }
    return { pools, numbers };
  }

  /** The connections that a forced endpoint or instance means, wherever they are, each with a pool that it is in. */
  forced(decision: Decision): readonly PooledConnection[] {
    const { force = {} } = decision;
    const found = new Map<ChannelConnection, PooledConnection>();
    for (const pool of this.pools) {
      const { subset, datacenter } = pool;
      for (const connection of pool.members) {
        const { key, instance } = connection.endpoint;
        const one = { subset, datacenter, instance: instance.id, endpoint: key.slice(key.indexOf('/') + 1) };
        if (!found.has(connection) && isMeant(force, one)) found.set(connection, { pool, connection });
      }
    }
    return [...found.values()];
  }
}

/** The tiers of a destination in every datacenter, whatever `locality.failover` says. */
function everywhere(plan: Plan, destination: Destination, membership: Membership): readonly UsedTier[] {
  return withLastResorts(tierOrder(plan, destination, membership, membership.datacenters), membership);
}

function tierKey({ subset, datacenter, kind }: UsedTier): string {
  return `${datacenter}\n${subset}\n${kind}`;
}
