import { createGraylane, type Graylane, type GraylaneOptions } from '../../../src/index';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { type PaymentsClient, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';

/** Real servers of several versions in two datacenters, and config entries that are written as a user would. */
export interface EntryWorld {
  readonly consul: ConsulCluster;
  server(name: string): PaymentsServer;
  /** Registers a running server, started for it by `name` when it is new, as an instance of `service`. */
  serve(service: string, name: string, more?: InstanceOptions): Promise<void>;
  /** Writes entries in the datacenter, each with its `Kind` and `Name`; services are told apart by their defaults. */
  write(...entries: readonly object[]): Promise<void>;
  remove(kind: string, name: string): Promise<void>;
  open(options?: GraylaneOptions): Graylane;
  /** A client of a service whose chain is known. */
  client(graylane: Graylane, service: string, policy?: 'chain' | 'auto'): Promise<PaymentsClient>;
  /** Waits until the Graylane client's plan of the service fits. */
  until(graylane: Graylane, service: string, fits: (policy: ServicePolicy) => boolean): Promise<ServicePolicy>;
  close(): Promise<void>;
}

type ServicePolicy = ReturnType<Graylane['inspect']>['services'][number]['policy'];

interface InstanceOptions {
  readonly datacenter?: string;
  readonly version?: string;
  readonly status?: 'passing' | 'warning' | 'critical';
}

export async function startEntryWorld(datacenters: readonly string[] = ['dc1', 'dc2']): Promise<EntryWorld> {
  const consul = await startConsul({ datacenters });
  const servers = new Map<string, PaymentsServer>();
  const graylanes: Graylane[] = [];
  const clients: PaymentsClient[] = [];
  const policyOf = (graylane: Graylane, service: string): ServicePolicy | undefined =>
    graylane.inspect().services.find((each) => each.service === service)?.policy;
  const world: EntryWorld = {
    consul,
    server: (name) => {
      const found = servers.get(name);
      if (found === undefined) throw new Error(`no server ${name}`);
      return found;
    },
    serve: async (service, name, { datacenter = 'dc1', version = 'v1', status = 'passing' } = {}) => {
      const server = servers.get(name) ?? (await startPaymentsServer({ name, version, datacenter }));
      servers.set(name, server);
      const { host, port } = server;
      const id = `${service}-${name}`;
      await consul.dc(datacenter).register({ name: service, id, address: host, port, meta: { version }, status });
    },
    write: async (...entries) => {
      for (const entry of entries) await (await consul.dc('dc1').request('PUT', '/v1/config', entry)).text();
    },
    remove: async (kind, name) => {
      await (await consul.dc('dc1').request('DELETE', `/v1/config/${kind}/${name}`)).text();
    },
    open: (options = {}) => {
      const graylane = createGraylane({ consul: { address: consul.dc('dc1').address }, ...options });
      graylanes.push(graylane);
      return graylane;
    },
    client: async (graylane, service, policy = 'chain') => {
      const target = graylane.target(service, { policy });
      const client = paymentsClient(target, graylane.clientOptions());
      clients.push(client);
      await graylane.ready(target);
      return client;
    },
    until: async (graylane, service, fits) => {
      const deadline = performance.now() + 5_000;
      for (;;) {
        const policy = policyOf(graylane, service);
        if (policy !== undefined && fits(policy) && isInForce(graylane, service, policy)) return policy;
        if (performance.now() > deadline) throw new Error(`the policy is ${JSON.stringify(policy)}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    close: async () => {
      for (const client of clients) client.close();
      for (const graylane of graylanes) await graylane.close();
      for (const server of servers.values()) server.kill();
      await consul.stop();
    },
  };
  return world;
}

/** A plan that looks others up is known a moment before calls go by it. */
function isInForce(graylane: Graylane, service: string, { revision }: ServicePolicy): boolean {
  const target = graylane.inspect().services.find((each) => each.service === service)?.target ?? service;
  try {
    return graylane.explain(target, { method: '/any/Method', labels: {} }).revision === revision;
  } catch {
    return false;
  }
}

/** Routers and splitters need a protocol that has requests. */
export function grpcService(name: string): object {
  return { Kind: 'service-defaults', Name: name, Protocol: 'grpc' };
}

/** Subsets `v1` and `v2` by their version. */
export function versions(name: string, more: object = {}): object {
  return {
    Kind: 'service-resolver',
    Name: name,
    Subsets: {
      v1: { Filter: 'Service.Meta.version == v1' },
      v2: { Filter: 'Service.Meta.version == v2' },
    },
    ...more,
  };
}
