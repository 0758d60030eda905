// Routers, splitters and resolvers of Consul, written with its own tool and executed in the client: no proxy anywhere.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createGraylane } from 'graylane';
import { obtainConsul } from '../../test/support/consul/obtain';
import { startConsul } from '../../test/support/consul/start';
import { charge, createPaymentsClient, expectThat, startPaymentsServer, waitFor } from '../shared/payments';

const DATACENTERS = ['dc1', 'dc2'] as const;

async function main(): Promise<void> {
  // Your own Consul is running already; this one is started for the example.
  const consul = await startConsul({ datacenters: DATACENTERS });
  const { address } = consul.dc('dc1');
  const servers = await Promise.all(
    DATACENTERS.flatMap((datacenter) =>
      (['stable', 'canary'] as const).map(async (version) => {
        const id = `${version}-${datacenter}`;
        const server = await startPaymentsServer(id, version, datacenter);
        const { host, port } = server;
        await consul.dc(datacenter).register({ name: 'payments', id, address: host, port, tags: [version] });
        return server;
      }),
    ),
  );
  for (const kind of ['service-defaults', 'service-resolver']) await writeEntry(address, kind);

  const graylane = createGraylane({ consul: { address }, policy: 'chain' });
  const client = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  // Of the rules that calls follow now: new ones come into force when Consul has evaluated their filters.
  const revision = (): string => graylane.explain('payments', { method: '/shop.v1.Payments/Charge' }).revision;
  const write = async (kind: string): Promise<void> => {
    const former = revision();
    await writeEntry(address, kind);
    await waitFor(() => revision() !== former);
  };
  const canaries = async (labels = {}): Promise<number> => {
    const replies = await Promise.all(Array.from({ length: 1_000 }, () => charge(client, graylane.metadata(labels))));
    return replies.filter((reply) => reply.version === 'canary').length;
  };

  expectThat((await canaries()) === 0, 'the resolver: everybody on its default subset, stable');
  await write('service-splitter');
  const split = await canaries();
  expectThat(split > 60 && split < 140, `the splitter: ${split} of 1,000 on the canary`);
  await write('service-router');
  expectThat((await canaries({ 'x-gray': 'canary' })) === 1_000, 'the router: every call of a tester on the canary');

  await consul.dc('dc1').setStatus('stable-dc1', 'critical');
  await consul.dc('dc1').setStatus('canary-dc1', 'critical');
  const served = new Set<string>();
  await waitFor(async () => (await charge(client)).datacenter === 'dc2');
  for (let call = 0; call < 200; call += 1) served.add((await charge(client)).datacenter);
  expectThat([...served].join() === 'dc2', 'the failover: nobody at home, so all calls go to the other datacenter');

  await graylane.close();
  client.close();
  await Promise.all(servers.map((server) => server.stop()));
  await consul.stop();
}

async function writeEntry(address: string, kind: string): Promise<void> {
  const file = join(__dirname, 'entries', `${kind}.hcl`);
  await promisify(execFile)(await obtainConsul(), ['config', 'write', `-http-addr=${address}`, file]);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
