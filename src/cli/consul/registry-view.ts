import { defined } from '../../base/defined';
import type { DatacenterState } from '../../base/instances';
import { parseChain } from '../../client/state/policy-sources/consul';
import type { ConsulClient } from '../../consul/client';
import { type Effect, judgeEffect, type RegistryView } from '../../ops/effect/effect';
import { hasEnded } from '../../ops/rollout/record';
import { createRolloutStore } from '../../ops/rollout/store';
import { inDatacenter } from '../../ops/store/kv';
import { compileChain } from '../../policy/chain/compile';
import { isDefaultChain } from '../../policy/chain/decisions';
import { lookupsOf } from '../../policy/destinations';
import type { Plan } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import { CommandError, orNone } from '../command';
import type { ConsulConnection } from './consul-connection';
import { readOne, readServiceNames } from './instances-now';
import { nameOf } from './store-session';

/** Judges the effect of a new plan on calls. `before` is undefined when Consul has no document of the service. */
export type EffectJudge = (before: Plan | undefined, after: Plan) => Promise<Effect | { readonly failure: string }>;

/** Whose policy is judged. */
export interface Judged {
  readonly service: string;
  readonly datacenter: string | undefined;
}

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
      const before = written ?? (await chainInForce(connection.client, judged));
      const plans = before === undefined ? [after] : [before, after];
      const view = await readRegistryView(connection, judged, plans);
      return judgeEffect({ before, after, view, wallNowMs: Date.now() });
    } catch (error) {
      if (!tolerant || !(error instanceof CommandError)) throw error;
      return { failure: `the effect on calls was not judged: ${error.message}` };
    }
  };
}

/**
 * What clients go by where there is no document: the chain of Consul's config entries, unless it is the default one.
 */
export async function chainInForce(client: ConsulClient, { service, datacenter }: Judged): Promise<Plan | undefined> {
  try {
    const chain = await readChainNow(client, service, datacenter);
    return isDefaultChain(chain) ? undefined : compileChain(chain, { service, sourceAddress: '127.0.0.1' });
  } catch (error) {
    // Servers without Connect have none, and clients go on without one that they cannot read or honour.
    if (error instanceof CommandError || error instanceof PolicyError) return undefined;
    throw error;
  }
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
  const subsets = plans.flatMap((plan) => [...plan.subsets.values()]);
  const filters = [...new Set(subsets.flatMap(({ filter }) => filter ?? []))];
  const [own, names, lookups, alsoUsed] = await Promise.all([
    readOne(client, service, datacenter, filters),
    everywhere().catch(() => undefined),
    readLookups(client, plans, filters),
    datacenter === undefined ? subsetsOfRollout(client, service) : undefined,
  ]);
  const others = (names ?? []).filter((name) => name !== own.datacenter && name !== datacenter);
  const elsewhere = await Promise.all(others.map((name) => orNone(readOne(client, service, name, filters))));
  const known = [own, ...elsewhere.filter((state) => state !== undefined)];
  const isNone = known.every(({ instances }) => instances.length === 0);
  const services = isNone ? await readServiceNames(client, datacenter) : undefined;
  return {
    instances: { version: 0, datacenters: known, ...(lookups.size === 0 ? {} : { lookups }) },
    datacenters: names,
    ...defined({ services, alsoUsed }),
  };
}

async function readLookups(
  client: ConsulClient,
  plans: readonly Plan[],
  filters: readonly string[],
): Promise<ReadonlyMap<string, DatacenterState>> {
  const lookups = new Map(plans.flatMap(lookupsOf).map((lookup) => [lookup.key, lookup]));
  const states = [...lookups].map(async ([key, { service, askedDatacenter, scope }]) => {
    return [key, await orNone(readOne(client, service, askedDatacenter, filters, scope))] as const;
  });
  return new Map((await Promise.all(states)).flatMap(([key, state]) => (state === undefined ? [] : [[key, state]])));
}

/** The subsets that a rollout under way raises and compares, whatever the weights are now. */
async function subsetsOfRollout(client: ConsulClient, service: string): Promise<readonly string[] | undefined> {
  try {
    const { record } = await createRolloutStore(client).read(service);
    if (record === undefined || hasEnded(record.progress)) return undefined;
    const { canary, stable } = record.progress.document;
    return [canary, stable];
  } catch {
    // A token that may write policies need not have the right to read rollouts.
    return undefined;
  }
}

const TIME_LIMIT_MS = 10_000;

/** The discovery chain of a service as Consul has it compiled now. Throws a CommandError. */
export async function readChainNow(client: ConsulClient, service: string, dc: string | undefined): Promise<object> {
  const how = { params: { service }, query: inDatacenter(dc), timeLimitMs: TIME_LIMIT_MS };
  const answer = await client.get({ path: '/discovery-chain/{service}', ...how });
  const chain = answer.kind === 'failure' ? answer.reason : parseChain(answer);
  if (typeof chain !== 'string') return chain;
  const next = 'check that the servers have connect.enabled and the token service:read';
  throw new CommandError(2, `discovery chain of ${service} in ${nameOf(dc)}: ${chain}`, next);
}
