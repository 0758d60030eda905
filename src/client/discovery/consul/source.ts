import { GraylaneError } from '../../../base/errors';
import { safeLogger } from '../../../base/logger';
import { createRefCounted } from '../../../base/ref-counted';
import type { Runtime } from '../../../base/runtime';
import { createAgentDatacenter } from '../../../consul/agent-self';
import type { ConsulClient } from '../../../consul/client';
import { DEFAULT_PROTECTION, type Protection } from '../protection';
import type { Source, WatchRequest } from '../source';
import { type DatacenterList, fixedDatacenters, watchAllDatacenters } from './datacenter-list';
import { type FilterQuery, startFilterQuery } from './filter-query';
import { type HealthQuery, startHealthQuery } from './health-query';
import { type ConsulDeps, placeOf } from './health-target';
import { createServiceWatch, type ServiceWatch, type SlotLoops } from './service-watch';
import { Outages } from './trouble-log';

export interface ConsulSourceOptions {
  /** Stays open when the source is closed: others may use it. */
  readonly client: ConsulClient;
  /**
   * Where instances are looked for, the local datacenter first; or `all` that Consul knows. Default: the one that the
   * agent is in.
   */
  readonly datacenters?: readonly string[] | 'all' | undefined;
  /** Default: {@link DEFAULT_PROTECTION}. */
  readonly protection?: Protection;
}

/**
 * Instances from Consul's health endpoint: one blocking query for each (service, datacenter, tags) and for each filter,
 * shared by all watches of this source, running only while there is a watch. Throws INVALID_OPTION for a bad list of
 * datacenters; makes no request before the first watch.
 */
export function createConsulSource(options: ConsulSourceOptions, given: Runtime): Source {
  checkDatacenters(options.datacenters);
  const { client } = options;
  const agent = createAgentDatacenter(client);
  const protection = options.protection ?? DEFAULT_PROTECTION;
  const deps: ConsulDeps = {
    ...given,
    logger: safeLogger(given.logger),
    client,
    agent,
    protection,
    outages: new Outages(),
  };
  const healths = createRefCounted<HealthQuery>();
  const filters = createRefCounted<FilterQuery>();
  const lists = createRefCounted<DatacenterList>();
  const services = createRefCounted<ServiceWatch>();
  let closed = false;

  const listFor = (wanted: readonly string[] | 'all' | undefined) => {
    if (wanted === 'all') return lists.acquire('all', () => watchAllDatacenters(deps));
    return lists.acquire(JSON.stringify(wanted ?? []), () => fixedDatacenters(wanted ?? [undefined]));
  };

  const loopsFor =
    (service: string, tags: readonly string[], { scope, port }: Pick<WatchRequest, 'scope' | 'port'>) =>
    (datacenter: string | undefined, local: boolean): SlotLoops => {
      const target = { service, tags, datacenter, local, port, scope };
      const key = [service, datacenter, tags, scope ?? {}, port ?? ''];
      return {
        place: (own) => placeOf(target, own),
        health: () => healths.acquire(JSON.stringify(key), () => startHealthQuery(target, deps)),
        filter: (expression) =>
          filters.acquire(JSON.stringify([...key, expression]), () => startFilterQuery(target, expression, deps)),
      };
    };

  return {
    watch(request, listener) {
      if (closed) throw new GraylaneError('CLIENT_CLOSED', 'this source of instances is closed');
      const wanted = datacentersOf(request, options);
      if (wanted === undefined) void agent.probe();
      const tags = [...new Set(request.tags)].sort();
      const { service, scope, port } = request;
      const key = JSON.stringify([service, tags, wanted ?? null, scope ?? {}, port ?? '']);
      const lease = services.acquire(key, () =>
        createServiceWatch(listFor(wanted), loopsFor(service, tags, request), peerOf(request), deps),
      );
      const watch = lease.value.watch(listener);
      return {
        setFilters: (expressions) => watch.setFilters(expressions),
        close() {
          watch.close();
          lease.release();
        },
      };
    },
    close() {
      closed = true;
      services.closeAll();
      for (const shared of [healths, filters, lists]) shared.closeAll();
    },
  };
}

function datacentersOf(request: WatchRequest, options: ConsulSourceOptions): readonly string[] | 'all' | undefined {
  const { datacenters } = request;
  const named = datacenters !== undefined && datacenters.length > 0 ? [...new Set(datacenters)] : options.datacenters;
  // A peer is the local datacenter's: the others have peers of their own.
  if (peerOf(request) === undefined || named === undefined) return named;
  return named === 'all' ? undefined : named.slice(0, 1);
}

function peerOf({ scope }: WatchRequest): string | undefined {
  return scope?.['peer'];
}

function checkDatacenters(datacenters: unknown): void {
  if (datacenters === undefined || datacenters === 'all') return;
  const expected = "(expected: 'all' or a list of different datacenter names)";
  if (!Array.isArray(datacenters) || datacenters.length === 0) {
    throw new GraylaneError('INVALID_OPTION', `datacenters: ${JSON.stringify(datacenters)} ${expected}`);
  }
  datacenters.forEach((name: unknown, index) => {
    const isName = typeof name === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(name);
    if (isName && datacenters.indexOf(name) === index) return;
    throw new GraylaneError('INVALID_OPTION', `datacenters[${index}]: ${JSON.stringify(name)} ${expected}`);
  });
}
