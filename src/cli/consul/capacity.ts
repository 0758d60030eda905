import type { StoredPolicy } from '../../ops/store/history';
import { type Membership, membershipOf } from '../../policy/membership/membership';
import type { Plan, RoutePlan } from '../../policy/plan';
import { sumOf } from '../describe';
import type { ConsulConnection } from './consul-connection';
import { readInstancesNow } from './instances-now';
import { nameOf } from './store-session';

/** Judges whether the instances of one datacenter can carry what a policy sends them. */
export type CapacityJudge = (before: Plan | undefined, after: Plan) => Promise<Judgement>;

interface Judgement {
  readonly overloads: readonly string[];
  /** Subsets that would get calls and have no healthy instance. */
  readonly empties: readonly { readonly subset: string; readonly text: string }[];
  readonly remarks: readonly string[];
}

/**
 * Judges by the load factor of a subset: its share of a route's calls over its share of the healthy weight of all
 * subsets of that route. Only routes that match every call are judged by it, because the number of calls of other
 * routes is unknown; their subsets only need a healthy instance. Only what a change makes worse counts.
 *
 * `maxLoadFactor`: how many times its fair share of calls an instance may get, by weight; `limitName` is what sets it.
 */
export function capacityIn(
  { client, everywhere }: ConsulConnection,
  { service, datacenter }: StoredPolicy,
  maxLoadFactor: number,
  limitName = '--max-load-factor',
): CapacityJudge {
  const place = nameOf(datacenter);
  return async (before, after) => {
    const filters = [
      ...new Set(
        [...after.subsets.values()].flatMap(({ filter, service: of }) => (of === undefined ? (filter ?? []) : [])),
      ),
    ];
    const here = await readInstancesNow(client, service, [datacenter], filters);
    if (here.datacenters.every(({ instances }) => instances.length === 0)) {
      const remark = `${after.service} has no instances in ${place}: weights were not judged`;
      return { overloads: [], empties: [], remarks: [remark] };
    }
    const now = membershipOf(after, here);
    const then = before === undefined ? undefined : membershipOf(before, here);
    const overloads: string[] = [];
    const empties: { subset: string; text: string }[] = [];
    const remarks: string[] = [];
    let elsewhere: Membership | undefined;
    for (const route of after.routes) {
      const old = before?.routes.find(({ name }) => name === route.name);
      const oldShares = old === undefined || before === undefined ? new Map<string, number>() : sharesOf(old, before);
      const shares = sharesOf(route, after);
      for (const [subset, share] of shares) {
        if (share === 0) continue;
        if (weightOf(now, [subset]) === 0) {
          // Read only when it is needed.
          elsewhere ??= membershipOf(
            after,
            await readInstancesNow(client, service, await everywhere(), filters, { tolerant: true }),
          );
          const sentence = `route ${route.name}: ${subset} has no healthy instance in ${place}`;
          if (weightOf(elsewhere, [subset]) > 0) remarks.push(`${sentence}; others serve from elsewhere`);
          else if (share > (oldShares.get(subset) ?? 0)) empties.push({ subset, text: `${sentence}, nor elsewhere` });
          continue;
        }
        const factor = loadFactor(now, shares, subset);
        const oldFactor = then === undefined ? 0 : loadFactor(then, oldShares, subset);
        if (route.match !== undefined || factor <= maxLoadFactor || factor <= oldFactor + 1e-9) continue;
        overloads.push(
          `route ${route.name}: ${subset} would get ${factor.toFixed(1)} times its fair share in ${place} ` +
            `(${(share * 100).toFixed(1)} % of the calls on ${usable(now, [subset]).size} of ` +
            `${usable(now, [...shares.keys()]).size} healthy instances; ` +
            `expected: at most ${maxLoadFactor}, ${limitName})`,
        );
      }
    }
    return { overloads, empties, remarks };
  };
}

/** Shares by subset of those of a route's calls that stay with the service, and are not pinned to a place. */
function sharesOf({ split }: RoutePlan, { subsets }: Plan): ReadonlyMap<string, number> {
  const own = split.entries.filter(({ subset, to }) => to === subset && subsets.get(subset)?.service === undefined);
  const total = sumOf(own.map(({ weight }) => weight));
  return new Map(own.map(({ subset, weight }) => [subset, total === 0 ? 0 : weight / total]));
}

function loadFactor(membership: Membership, shares: ReadonlyMap<string, number>, subset: string): number {
  const share = shares.get(subset) ?? 0;
  if (share === 0) return 0;
  const own = weightOf(membership, [subset]);
  // A route to a single subset still takes its calls from what all instances would share.
  const all = weightOf(membership, shares.size === 1 ? [] : [...shares.keys()]);
  return own === 0 ? Number.POSITIVE_INFINITY : share / (own / all);
}

/** Healthy weight of these subsets, or of all; an instance in several counts once. */
function weightOf(membership: Membership, subsets: readonly string[]): number {
  return sumOf([...usable(membership, subsets)].map(({ weight }) => weight));
}

function usable({ groups }: Membership, subsets: readonly string[]): ReadonlySet<{ readonly weight: number }> {
  const wanted = groups.filter(({ subset, isLane }) => (subsets.length === 0 ? !isLane : subsets.includes(subset)));
  return new Set(wanted.flatMap((group) => group.usable));
}
