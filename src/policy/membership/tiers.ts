import type { Instance } from '../../base/instances';
import { isLaneSubset } from '../lanes/lane-plan';
import { type Decision, type Destination, type ForceSelector, LOCAL_PLACE, type Plan, type PlannedTier } from '../plan';
import { datacenterOrder, type Whereabouts } from './datacenter-order';
import type { Membership } from './membership';

/** One step of the failover order. */
export type TierSpec = PlannedTier;

/**
 * Which instances a tier has. `draining`: well ones of weight 0. `absent`: those that vanished with many others, see
 * `DatacenterState.absent`. Both are a last resort, behind all tiers of listed ones.
 */
export type TierKind = 'listed' | 'draining' | 'absent';

/** One step of the failover order of calls. Its position is the number of the tier, in every output. */
export interface UsedTier extends TierSpec {
  readonly kind: TierKind;
}

/**
 * The failover order of a destination: with `prefer: subset`, and of a lane, every datacenter of the subset before its fallback, with
 * `prefer: datacenter` every subset of the chain before the next datacenter. Places are in the client's order, local
 * first; the policy's `locality.failover`, where given, says which of the others take part and in what order, and the
 * destination's own places go before it. A destination that names its tiers is taken at its word. `only`: these
 * datacenters and no others, whatever `locality.failover` says.
 */
export function tierOrder(
  plan: Plan,
  destination: Route,
  whereabouts: Whereabouts,
  only?: readonly string[],
): readonly TierSpec[] {
  const { tiers: written, chain, places } = destination;
  if (written !== undefined) return only === undefined ? written : written.filter((tier) => isIn(only, tier));
  const { datacenters } = whereabouts;
  const common =
    only === undefined ? datacenterOrder(plan, whereabouts) : datacenters.filter((name) => only.includes(name));
  const orders =
    only !== undefined || places === undefined
      ? undefined
      : chain.map((_, at) => placed(places[at], datacenters) ?? common);
  const tiers: TierSpec[] = [];
  if (plan.locality.prefer === 'datacenter' && !isLaneSubset(chain[0] ?? '')) {
    for (const datacenter of new Set(orders?.flat() ?? common)) {
      for (const [at, subset] of chain.entries()) {
        if (orders?.[at]?.includes(datacenter) !== false) tiers.push({ subset, datacenter });
      }
    }
  } else {
    for (const [at, subset] of chain.entries()) {
      for (const datacenter of orders?.[at] ?? common) tiers.push({ subset, datacenter });
    }
  }
  return tiers;
}

type Route = Pick<Destination, 'chain' | 'tiers' | 'places'>;

/** Places of a destination by their names, of those after the first the ones that are known. */
function placed(places: readonly string[] | undefined, datacenters: readonly string[]): readonly string[] | undefined {
  const [local] = datacenters;
  const names = places?.flatMap((place, at) => {
    const name = place === LOCAL_PLACE ? local : place;
    return name === undefined || (at > 0 && !datacenters.includes(name)) ? [] : [name];
  });
  return names && [...new Set(names)];
}

/** Where a decision sends its calls, as far as the tiers of its destination follow from it. */
export type TierChoice = Route & Pick<Decision, 'datacenters' | 'force'>;

/**
 * The tiers that calls of a decision are tried on, in order. The balancer and every output take them from here. Tiers
 * without an instance are included, so that a number always means the same step. An override's datacenter is ignored
 * where the destination has no usable instance there: the emergency switch must not cause an emergency. The datacenter
 * of a strict `force` is never ignored: its call fails.
 */
export function usedTiers(plan: Plan, choice: TierChoice, membership: Membership): readonly UsedTier[] {
  return withLastResorts(listedTiers(plan, choice, membership), membership);
}

/**
 * The tiers of listed instances, then those of instances that drain, then those of vanished ones, where there are any.
 */
export function withLastResorts(tiers: readonly TierSpec[], membership: Membership): readonly UsedTier[] {
  const used = tiers.map((tier): UsedTier => ({ ...tier, kind: 'listed' }));
  for (const kind of ['draining', 'absent'] as const) {
    if (kind === 'draining' ? !membership.isAnyDraining : !membership.isAnyAbsent) continue;
    for (const tier of tiers) if (lastResorts(membership, tier, kind).length > 0) used.push({ ...tier, kind });
  }
  return used;
}

/** The instances of a tier that may take calls. */
export function takersOf(membership: Membership, tier: UsedTier): readonly Instance[] {
  if (tier.kind !== 'listed') return lastResorts(membership, tier, tier.kind);
  return membership.group(tier.subset, tier.datacenter)?.usable ?? [];
}

/** The instances of such a tier. */
function lastResorts(
  membership: Membership,
  { subset, datacenter }: TierSpec,
  kind: 'draining' | 'absent',
): readonly Instance[] {
  if (kind === 'absent') return membership.absent(subset, datacenter);
  return membership.group(subset, datacenter)?.draining ?? [];
}

function listedTiers(plan: Plan, choice: TierChoice, membership: Membership): readonly TierSpec[] {
  const { datacenters, force } = choice;
  const ordinary = tierOrder(plan, choice, membership);
  const named = datacenters === undefined ? ordinary : tierOrder(plan, choice, membership, datacenters);
  const allowed = isBinding(choice) || named.some((tier) => isUsable(membership, tier)) ? named : ordinary;
  const wanted = force?.datacenter;
  if (wanted === undefined) return allowed;
  const first = tierOrder(plan, choice, membership, [wanted]);
  return [...first, ...allowed.filter(({ datacenter }) => datacenter !== wanted)];
}

/** One that a `force` may mean. */
interface Nameable extends TierSpec {
  /** Consul service ID. */
  readonly instance: string;
  /** `host:port`. */
  readonly endpoint: string;
}

/** Whether a `force` that names an endpoint or an instance means this one. */
export function isMeant(force: ForceSelector, one: Nameable): boolean {
  const { endpoint, instance, subset, datacenter } = force;
  return (
    (endpoint === undefined || endpoint === one.endpoint) &&
    (instance === undefined || instance === one.instance) &&
    (subset === undefined || subset === one.subset) &&
    (datacenter === undefined || datacenter === one.datacenter)
  );
}

/** Whether a decision's datacenters hold even without an instance there: those of a strict `force` do. */
function isBinding({ force }: Pick<Decision, 'force'>): boolean {
  return force !== undefined && force.strict !== false;
}

/** The tier has an instance that may take calls. */
export function isUsable(membership: Membership, { subset, datacenter }: TierSpec): boolean {
  return (membership.group(subset, datacenter)?.usable.length ?? 0) > 0;
}

function isIn(datacenters: readonly string[], { datacenter }: TierSpec): boolean {
  return datacenters.includes(datacenter);
}
