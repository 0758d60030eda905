import type { StoredPolicy } from '../../ops/store/history';
import { type Membership, membershipOf } from '../../policy/membership/membership';
import type { InstanceSet } from '../../policy/membership/snapshot';
import type { Plan, RoutePlan } from '../../policy/plan';
import { readInstancesNow } from './instances-now';
import { nameOf, type StoreSession } from './store-session';

/** Whether the instances of one datacenter can carry what a policy sends them. */
export interface Capacity {
  judge(before: Plan | undefined, after: Plan): Promise<Judgement>;
}

interface Judgement {
  readonly overloads: readonly string[];
  /** Subsets that would get calls and have no healthy instance. */
  readonly empties: readonly { readonly subset: string; readonly text: string }[];
  readonly remarks: readonly string[];
}

interface CapacityOptions {
  /** As messages name it. */
  readonly datacenter: string;
  /** How many times its fair share of calls an instance may get, by weight. */
  readonly maxLoadFactor: number;
  /** What sets `maxLoadFactor`, as messages name it. Default `--max-load-factor`. */
  readonly limitName?: string;
  /** The service's instances here, with what Consul says of these filter expressions. Called once for each plan. */
  readonly readHere: (filters: readonly string[]) => Promise<InstanceSet>;
  /** Instances of the other datacenters; read only when a subset has no healthy instance here. */
  readonly readElsewhere: (filters: readonly string[]) => Promise<InstanceSet>;
}

/**
 * Judges by the load factor of a subset: its share of a route's calls over its share of the healthy weight of all
 * subsets of that route. Only routes that match every call are judged by it, because the number of calls of other
 * routes is unknown; their subsets only need a healthy instance. Only what a change makes worse counts.
 */
function createCapacity(options: CapacityOptions): Capacity {
  const { datacenter, maxLoadFactor, limitName = '--max-load-factor' } = options;
  return {
    async judge(before, after) {
      const filters = filtersOf(after);
      const here = await options.readHere(filters);
      const instances = here.datacenters.flatMap((state) => state.instances);
      if (instances.length === 0) {
        return {
          overloads: [],
          empties: [],
          remarks: [`${after.service} has no instances in ${datacenter}: weights were not judged`],
        };
      }
      const now = membershipOf(after, here);
      const then = before === undefined ? undefined : membershipOf(before, here);
      const overloads: string[] = [];
      const empties: { subset: string; text: string }[] = [];
      const remarks: string[] = [];
      let elsewhere: Membership | undefined;
      for (const route of routesOf(after)) {
        const old = before === undefined ? undefined : routesOf(before).find(({ name }) => name === route.name);
        for (const { subset, share } of sharesOf(route)) {
          if (share === 0) continue;
          const oldShare = old === undefined ? 0 : (sharesOf(old).find((entry) => entry.subset === subset)?.share ?? 0);
          if (weightOf(now, subset) === 0) {
            elsewhere ??= membershipOf(after, await options.readElsewhere(filters));
            const sentence = `route ${route.name}: ${subset} has no healthy instance in ${datacenter}`;
            if (weightOf(elsewhere, subset) > 0) remarks.push(`${sentence}; others serve from elsewhere`);
            else if (share > oldShare) empties.push({ subset, text: `${sentence}, nor elsewhere` });
            continue;
          }
          const factor = loadFactor(now, route, subset);
          const oldFactor = old === undefined || then === undefined ? 0 : loadFactor(then, old, subset);
          if (route.match !== undefined || factor <= maxLoadFactor || factor <= oldFactor + 1e-9) continue;
          overloads.push(
            `route ${route.name}: ${subset} would get ${factor.toFixed(1)} times its fair share in ${datacenter} ` +
              `(${(share * 100).toFixed(1)} % of the calls on ${countOf(now, subset)} of ` +
              `${countOf(now, ...sharesOf(route).map((entry) => entry.subset))} healthy instances; ` +
              `expected: at most ${maxLoadFactor}, ${limitName})`,
          );
        }
      }
      return { overloads, empties, remarks };
    },
  };
}

function filtersOf(plan: Plan): readonly string[] {
  return [...new Set([...plan.subsets.values()].map(({ filter }) => filter).filter((filter) => filter !== undefined))];
}

function routesOf(plan: Plan): readonly RoutePlan[] {
  return plan.routes;
}

function sharesOf({ split }: RoutePlan): readonly { readonly subset: string; readonly share: number }[] {
  const total = split.entries.reduce((sum, { weight }) => sum + weight, 0);
  return split.entries.map(({ subset, weight }) => ({ subset, share: weight / total }));
}

function loadFactor(membership: Membership, route: RoutePlan, subset: string): number {
  const shares = sharesOf(route);
  const share = shares.find((entry) => entry.subset === subset)?.share ?? 0;
  const own = weightOf(membership, subset);
  // A route to a single subset still takes its calls from what all instances would share.
  const all = shares.length === 1 ? weightOf(membership) : weightOf(membership, ...shares.map((entry) => entry.subset));
  if (share === 0) return 0;
  return own === 0 ? Number.POSITIVE_INFINITY : share / (own / all);
}

/** Healthy weight of these subsets, or of all; an instance in several counts once. */
function weightOf(membership: Membership, ...subsets: readonly string[]): number {
  return [...usable(membership, subsets)].reduce((sum, { weight }) => sum + weight, 0);
}

function countOf(membership: Membership, ...subsets: readonly string[]): number {
  return usable(membership, subsets).size;
}

function usable(membership: Membership, subsets: readonly string[]): ReadonlySet<{ readonly weight: number }> {
  const groups = membership.groups.filter(({ subset }) => subsets.length === 0 || subsets.includes(subset));
  return new Set(groups.flatMap((group) => group.usable));
}

/** What the instances that Consul lists now can carry, in the datacenter that a policy is of. */
export function capacityIn(
  { connection }: Pick<StoreSession, 'connection'>,
  { service, datacenter }: StoredPolicy,
  maxLoadFactor: number,
  limitName = '--max-load-factor',
): Capacity {
  const { client, everywhere } = connection;
  return createCapacity({
    datacenter: nameOf(datacenter),
    maxLoadFactor,
    limitName,
    readHere: (filters) => readInstancesNow(client, service, [datacenter], filters),
    readElsewhere: async (filters) =>
      readInstancesNow(client, service, await everywhere(), filters, { tolerant: true }),
  });
}
