import { defined } from '../../base/defined';
import type { DatacenterState } from '../../base/instances';
import type { ConsulClient } from '../../consul/client';
import { type Effect, judgeEffect, type RegistryView } from '../../ops/effect/effect';
import { hasEnded } from '../../ops/rollout/record';
import { createRolloutStore } from '../../ops/rollout/store';
import { lookupsOf } from '../../policy/destinations';
import { everywhereKey } from '../../policy/places/lookups';
import type { Plan, SubsetPlan } from '../../policy/plan';
import { CommandError, orNone } from '../command';
import { chainInForce, type Judged } from './chain-now';
import type { ConsulConnection } from './consul-connection';
import { readOne, readServiceNames } from './instances-now';
import { joinOtherPolicies } from './other-policies';

/** Judges the effect of a new plan on calls. `before` is undefined when Consul has no document of the service. */
export type EffectJudge = (before: Plan | undefined, after: Plan) => Promise<Effect | { readonly failure: string }>;

/**
 * Creates a judge that reads the instances from Consul. With `tolerant` unreadable instances are a failure in the
 * result, because an emergency must not wait for them; otherwise they throw a CommandError.
 */
export function effectIn(
  connection: ConsulConnection,
  judged: Judged,
  { tolerant = false }: { readonly tolerant?: boolean } = {},
): EffectJudge {
  return async (written, after) => {
    try {
      const { client } = connection;
      const now = written ?? (await chainInForce(client, judged));
      const plans = now === undefined ? [after] : [after, now];
      const [next = after, before] = await joinOtherPolicies(client, plans, judged.datacenter);
      const view = await readRegistryView(connection, judged, plans.length === 1 ? [next] : [before ?? next, next]);
      return judgeEffect({ before, after: next, view, wallNowMs: Date.now() });
    } catch (error) {
      if (!tolerant || !(error instanceof CommandError)) throw error;
      return { failure: `the effect on calls was not judged: ${error.message}` };
    }
  };
}

/**
 * Instances in every datacenter that answers, with all that the plans ask for. Throws a CommandError for the policy's
 * own.
 */
export async function readRegistryView(
  { client, everywhere }: ConsulConnection,
  { service, datacenter }: Judged,
  plans: readonly Plan[],
): Promise<RegistryView> {
  const filters = filtersOf(plans, undefined);
  const [own, names, alsoUsed] = await Promise.all([
    readOne(client, service, datacenter, filters),
    everywhere().catch(() => undefined),
    subsetsOfRollout(client, service, datacenter),
  ]);
  const others = (names ?? []).filter((name) => name !== own.datacenter && name !== datacenter);
  const elsewhere = await Promise.all(others.map((name) => orNone(readOne(client, service, name, filters))));
  const lookups = await readLookups(client, plans, [datacenter, ...others]);
  const known = [own, ...elsewhere.filter((state) => state !== undefined)];
  const isNone = known.every(({ instances }) => instances.length === 0);
  // A first policy may have been given a wrong name, which Consul finds instances for in another case.
  const isNameJudged = isNone || plans.length === 1;
  const services = isNameJudged ? await readServiceNames(client, datacenter) : undefined;
  return {
    instances: { version: 0, datacenters: known, ...(lookups.size === 0 ? {} : { lookups }) },
    datacenters: names,
    ...defined({ services, alsoUsed }),
  };
}

/** What the plans look up, a service in every datacenter included. What does not answer is left out. */
async function readLookups(
  client: ConsulClient,
  plans: readonly Plan[],
  datacenters: readonly (string | undefined)[],
): Promise<ReadonlyMap<string, DatacenterState>> {
  const lookups = new Map(plans.flatMap(lookupsOf).map((lookup) => [lookup.key, lookup]));
  const states = [...lookups.values()].flatMap((lookup) => {
    const { key, service, askedDatacenter, scope, isEverywhere } = lookup;
    const filters = filtersOf(plans, service);
    return (isEverywhere === true ? datacenters : [askedDatacenter]).map(async (asked) => {
      const state = await orNone(readOne(client, service, asked, filters, scope));
      if (state === undefined) return [];
      return [[isEverywhere === true ? everywhereKey(lookup, state.datacenter) : key, state] as const];
    });
  });
  return new Map((await Promise.all(states)).flat());
}

/** Of the subsets that are of another service, or else of the plans' own. */
function filtersOf(plans: readonly Plan[], service: string | undefined): readonly string[] {
  const subsets = plans.flatMap((plan) => [...plan.subsets.values()].filter((each) => isOf(each, plan, service)));
  return [...new Set(subsets.flatMap(({ filter }) => filter ?? []))];
}

/** Of a chain every subset may be, since its filters say nothing of the service. */
function isOf(subset: SubsetPlan, plan: Plan, service: string | undefined): boolean {
  return plan.lookups !== undefined || (subset.service ?? plan.service) === (service ?? plan.service);
}

/** The subsets that a rollout under way raises and compares, whatever the weights are now. */
async function subsetsOfRollout(
  client: ConsulClient,
  service: string,
  datacenter: string | undefined,
): Promise<readonly string[] | undefined> {
  try {
    const { record } = await createRolloutStore(client, datacenter).read(service);
    if (record === undefined || hasEnded(record.progress)) return undefined;
    const { canary, stable } = record.progress.document;
    return [canary, stable];
  } catch {
    // A token that may write policies need not have the right to read rollouts.
    return undefined;
  }
}
