import type { ConsulClient } from '../../discovery/consul/client';
import { parseHealth, parseKeys } from '../../discovery/consul/parse-answer';
import type { DatacenterState } from '../../discovery/source';
import type { InstanceSet } from '../../snapshot/snapshot';
import { CommandError } from '../command-error';

const TIME_LIMIT_MS = 10_000;

/**
 * The instances of a service as Consul has them now, read once. Throws a CommandError when a datacenter does not answer,
 * unless `tolerant`: then that one is left out.
 */
export async function readInstancesNow(
  client: ConsulClient,
  service: string,
  datacenters: readonly (string | undefined)[],
  filters: readonly string[],
  { tolerant = false }: { readonly tolerant?: boolean } = {},
): Promise<InstanceSet> {
  const states = await Promise.all(
    datacenters.map(async (datacenter) => {
      try {
        return await readOne(client, service, datacenter, filters);
      } catch (error) {
        if (tolerant && error instanceof CommandError) return undefined;
        throw error;
      }
    }),
  );
  return { version: 0, datacenters: states.filter((state) => state !== undefined) };
}

async function readOne(
  client: ConsulClient,
  service: string,
  datacenter: string | undefined,
  filters: readonly string[],
): Promise<DatacenterState> {
  const name = datacenter ?? 'local';
  const ask = async (filter?: string): Promise<string> => {
    const answer = await client.get({
      path: '/health/service/{service}',
      params: { service },
      query: { ...(datacenter === undefined ? {} : { dc: datacenter }), ...(filter === undefined ? {} : { filter }) },
      timeLimitMs: TIME_LIMIT_MS,
    });
    if (answer.kind === 'failure') throw failed(service, name, answer.reason);
    return answer.body.toString('utf8');
  };
  const parsed = parseHealth(await ask(), name, []);
  if (parsed.kind !== 'health') throw failed(service, name, parsed.reason);
  const keys = new Map<string, ReadonlySet<string>>();
  for (const filter of filters) {
    const found = parseKeys(await ask(filter), name);
    if (typeof found === 'string') throw failed(service, name, found);
    keys.set(filter, found);
  }
  return {
    datacenter: parsed.instances[0]?.datacenter ?? name,
    local: datacenter === undefined,
    known: true,
    instances: parsed.instances,
    rejected: parsed.rejected,
    connectOnly: false,
    filters: keys,
    freshness: { kind: 'fresh' },
  };
}

function failed(service: string, datacenter: string, reason: string): CommandError {
  const message = `instances of ${service} in ${datacenter}: ${reason}`;
  return new CommandError(2, message, 'check that the token has service:read and node:read');
}
