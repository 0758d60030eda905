import { defined } from '../../base/defined';
import type { DatacenterState, FilterFailure } from '../../base/instances';
import { isRecord } from '../../base/is-record';
import { isFilterRefused } from '../../client/discovery/consul/filter-query';
import { placeOf } from '../../client/discovery/consul/health-target';
import { answerJson } from '../../consul/answer-json';
import type { ConsulClient } from '../../consul/client';
import { parseHealth, parseKeys } from '../../consul/health-answer';
import { type ConsulAnswer, PLAIN_TIME_LIMIT_MS } from '../../consul/request';
import { inDatacenter } from '../../ops/store/kv';
import type { InstanceSet } from '../../policy/membership/snapshot';
import { CommandError, orNone } from '../command';
import { nextForRequest } from './next-step';

/**
 * The instances of a service as Consul has them now, read once. Throws a CommandError when a datacenter does not
 * answer, unless `tolerant`: then that one is left out.
 */
export async function readInstancesNow(
  client: ConsulClient,
  service: string,
  datacenters: readonly (string | undefined)[],
  filters: readonly string[],
  { tolerant = false }: { readonly tolerant?: boolean } = {},
): Promise<InstanceSet> {
  const states = datacenters.map((datacenter) => {
    const reading = readOne(client, service, datacenter, filters);
    return tolerant ? orNone(reading) : reading;
  });
  return { version: 0, datacenters: (await Promise.all(states)).filter((state) => state !== undefined) };
}

/** The same of one datacenter, and of a peer or namespace where `scope` names one. Throws a CommandError. */
export async function readOne(
  client: ConsulClient,
  service: string,
  datacenter: string | undefined,
  filters: readonly string[],
  scope: Readonly<Record<string, string>> = {},
): Promise<DatacenterState> {
  const { peer } = scope;
  const name = placeOf({ datacenter, scope });
  const failed = (reason: string): CommandError => {
    const next = nextForRequest(reason, 'check that the token has service:read and node:read');
    return new CommandError(2, `instances of ${service} in ${name}: ${reason}`, next);
  };
  const get = (filter?: string): Promise<ConsulAnswer> => {
    const query = { ...scope, ...inDatacenter(datacenter), ...defined({ filter }) };
    return client.get({
      path: '/health/service/{service}',
      params: { service },
      query,
      timeLimitMs: PLAIN_TIME_LIMIT_MS,
    });
  };
  const answer = await get();
  if (answer.kind === 'failure') throw failed(answer.reason);
  const parsed = parseHealth(answer.body.toString('utf8'), name, [], { peer });
  if (parsed.kind !== 'health') throw failed(parsed.reason);
  const keys = new Map<string, ReadonlySet<string>>();
  const filterFailures = new Map<string, FilterFailure>();
  for (const filter of filters) {
    const answer = await get(filter);
    const found = answer.kind === 'failure' ? answer.reason : parseKeys(answer.body.toString('utf8'), name, { peer });
    // A filter that Consul cannot evaluate is a fault of the policy. Its subset is empty, as in clients.
    if (typeof found !== 'string') keys.set(filter, found);
    else if (isFilterRefused(found)) filterFailures.set(filter, { reason: found, isRefused: true });
    else throw failed(found);
  }
  const { instances, rejected, faults } = parsed;
  return {
    datacenter: instances[0]?.datacenter ?? name,
    ...{ instances, rejected, faults, filterFailures },
    local: datacenter === undefined,
    known: true,
    connectOnly: false,
    filters: keys,
    freshness: { kind: 'fresh' },
  };
}

/** Names of all services that Consul lists; undefined where it does not say. */
export async function readServiceNames(
  client: ConsulClient,
  datacenter?: string,
  timeLimitMs: number = PLAIN_TIME_LIMIT_MS,
): Promise<readonly string[] | undefined> {
  const answer = await client.get({ path: '/catalog/services', query: inDatacenter(datacenter), timeLimitMs });
  const read = answerJson(answer);
  return 'value' in read && isRecord(read.value) ? Object.keys(read.value) : undefined;
}
