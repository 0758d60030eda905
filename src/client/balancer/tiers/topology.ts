import { datacenterOrder } from '../../../policy/membership/datacenter-order';
import type { Membership } from '../../../policy/membership/membership';
import {
  isMeant,
  type TierKind,
  tierOrder,
  type UsedTier,
  usedTiers,
  withLastResorts,
} from '../../../policy/membership/tiers';
import type { Decision, Destination, Plan } from '../../../policy/plan';
import type { ChannelConnection } from '../endpoints/connection';
import { meantGroups, meantLanes } from './meant-groups';
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
  readonly #pools: Pool[] = [];
  /** Some subset of the plan caps how many of its calls its fallback takes. */
  readonly hasFallbackCaps: boolean;
  readonly #byTier = new Map<string, Pool>();
  /** By the index of a destination: what decisions go by that neither force nor override narrows. */
  readonly tiers: readonly Tiers[];
  readonly #narrowed = new WeakMap<Decision, Tiers>();
  readonly #poolOf: PoolOf;
  /** By the subset of a lane, since the first call to it. */
  readonly #laneTiers = new Map<string, Tiers>();

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
    this.#poolOf = poolOf;
    this.#makePools([...orders.flat(), ...others]);
    this.tiers = orders.map((order) => this.#tiersIn(order));
  }

  /** Grows by the pools of a lane with the first call to it. */
  get pools(): readonly Pool[] {
    return this.#pools;
  }

  /** Undefined: there is none. */
  pool(subset: string, datacenter: string, kind: TierKind): Pool | undefined {
    return this.#byTier.get(tierKey({ subset, datacenter, kind }));
  }

  #makePools(tiers: readonly UsedTier[]): void {
    for (const tier of tiers) {
      const key = tierKey(tier);
      if (this.#byTier.has(key)) continue;
      const pool = this.#poolOf(tier.subset, tier.datacenter, tier.kind);
      if (pool === undefined) continue;
      this.#byTier.set(key, pool);
      this.#pools.push(pool);
    }
  }

  /** Of a decision for a lane, made by the first call to it; undefined for any other. */
  laneTiers({ destination, lane }: Pick<Decision, 'destination' | 'lane'>): Tiers | undefined {
    const { subset, chain } = destination;
    const known = this.#laneTiers.get(subset);
    if (known !== undefined || lane === undefined) return known;
    const order = usedTiers(this.plan, { chain, datacenters: undefined, force: undefined }, this.membership);
    this.#makePools(order);
    const tiers = this.#tiersIn(order);
    this.#laneTiers.set(subset, tiers);
    return tiers;
  }

  /** Of a decision that is held to a datacenter. */
  narrowedTiers(decision: Decision): Tiers {
    const { destination, datacenters, force } = decision;
    let narrowed = this.#narrowed.get(decision);
    if (narrowed === undefined) {
      const order = usedTiers(this.plan, { ...destination, datacenters, force }, this.membership);
      if (decision.lane !== undefined) this.#makePools(order);
      narrowed = this.#tiersIn(order);
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
    // Whom a force names may be in a lane that no call went to.
    this.#makePools(withLastResorts(meantLanes(force, this.membership), this.membership));
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

  /** A connection that a forced endpoint or instance means is still to be made. */
  isForcedMissing({ force = {} }: Decision): boolean {
    const missing = this.pools.filter((pool) => pool.missing > 0);
    if (missing.length === 0) return false;
    const meant = meantGroups(force, this.membership.groups);
    return missing.some((pool) =>
      meant.some(({ subset, datacenter }) => subset === pool.subset && datacenter === pool.datacenter),
    );
  }
}

/** The tiers of a destination in every datacenter, whatever `locality.failover` says. */
function everywhere(plan: Plan, destination: Destination, membership: Membership): readonly UsedTier[] {
  return withLastResorts(tierOrder(plan, destination, membership, membership.datacenters), membership);
}

function tierKey({ subset, datacenter, kind }: UsedTier): string {
  return `${datacenter}\n${subset}\n${kind}`;
}
