import { type ConsulCluster, type ConsulDatacenter, startConsul } from '../support/consul/start';
import { type ServedInstance, type ServerProcess, startServerProcess } from '../support/server-process';
import { type LedgerWorld, startLedgerWorld } from './ledger-world';
import { type LyingProxy, startLyingProxy } from './lying-proxy';
import { persist } from './persist';

export const POLICY_KEY = 'graylane/policies/payments';

/** Two datacenters with real Consul servers and real instances of two services, and a proxy before the first one's agent. */
export interface World {
  readonly consul: ConsulCluster;
  readonly dc1: ConsulDatacenter;
  readonly dc2: ConsulDatacenter;
  readonly proxy: LyingProxy;
  readonly ledger: LedgerWorld;
  /** Four in dc1, two in dc2; each on a node without an agent, as are services that something else registers. */
  readonly near: readonly ServedInstance[];
  readonly far: readonly ServedInstance[];
  register(datacenter: ConsulDatacenter, instances: readonly ServedInstance[], status?: string): Promise<void>;
  deregister(datacenter: ConsulDatacenter, instances: readonly ServedInstance[]): Promise<void>;
  putPolicy(canaryWeight: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startWorld(): Promise<World> {
  const consul = await startConsul({ datacenters: ['dc1', 'dc2'], mode: 'server' });
  const servers: ServerProcess[] = [];
  for (const names of [
    ['near-1', 'near-2', 'near-3'],
    ['far-1', 'far-2'],
  ])
    servers.push(await startServerProcess({ names }));
  const canary = await startServerProcess({ names: ['near-4'], version: 'canary' });
  const [dc1, dc2] = [consul.dc('dc1'), consul.dc('dc2')];
  const proxy = await startLyingProxy(dc1.address);
  const ledger = await startLedgerWorld(dc1);
  const near = [...(servers[0]?.instances ?? []), ...canary.instances];
  const far = servers[1]?.instances ?? [];
  const world: World = {
    consul,
    dc1,
    dc2,
    proxy,
    ledger,
    near,
    far,
    async register(datacenter, instances, status = 'passing') {
      for (const { name, host, port, version } of instances) {
        await persist(() =>
          datacenter.request('PUT', '/v1/catalog/register', {
            Node: `of-${name}`,
            Address: host,
            Service: { ID: name, Service: 'payments', Address: host, Port: port, Tags: [version] },
            Check: { CheckID: `service:${name}`, ServiceID: name, Status: status },
          }),
        );
      }
    },
    async deregister(datacenter, instances) {
      await Promise.all(
        instances.map(({ name }) =>
          persist(() => datacenter.request('PUT', '/v1/catalog/deregister', { Node: `of-${name}` })),
        ),
      );
    },
    async putPolicy(canaryWeight) {
      const split = [
        { to: 'stable', weight: 100 - canaryWeight },
        { to: 'canary', weight: canaryWeight },
      ];
      const document = {
        schema: 1,
        service: 'payments',
        subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
        default: 'stable',
        routes: [{ name: 'all', split }],
      };
      await persist(() => dc1.putKv(POLICY_KEY, JSON.stringify(document)));
    },
    async stop() {
      await proxy.stop();
      await ledger.stop();
      await Promise.all([...servers, canary].map((server) => server.kill()));
      await consul.stop();
    },
  };
  await world.register(dc1, near);
  await world.register(dc2, far);
  await world.putPolicy(10);
  return world;
}
