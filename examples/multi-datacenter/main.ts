// Two federated Consul datacenters. Calls stay in the local one while it can serve, and go to the other when it cannot.
import { setTimeout as sleep } from 'node:timers/promises';
import { createGraylane } from 'graylane';
import { startConsul } from '../../test/support/consul/start';
import { charge, createPaymentsClient, expectThat, type PaymentsClient, startPaymentsServer } from '../shared/payments';

const DATACENTERS = ['dc1', 'dc2'] as const;
const POLICY = {
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
};

async function main(): Promise<void> {
  // Your own Consul is running already; this one is started for the example.
  const consul = await startConsul({ datacenters: DATACENTERS });
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
  await consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(POLICY));

  const graylane = createGraylane({ consul: { address: consul.dc('dc1').address }, datacenters: DATACENTERS });
  const client = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');

  await expectServer(client, 'stable-dc1', 'at home while all is well', {});
  await consul.dc('dc1').setStatus('stable-dc1', 'critical');
  await expectServer(client, 'stable-dc2', 'the local instance is critical: the other datacenter', {});
  await consul.dc('dc1').setStatus('stable-dc1', 'passing');
  await expectServer(client, 'stable-dc1', 'healthy again: back home', {});

  const gray = { 'x-gray': 'canary' };
  await consul.dc('dc1').setStatus('canary-dc1', 'critical');
  await expectServer(client, 'canary-dc2', 'no canary at home: the canary elsewhere, before the fallback', gray);
  await consul.dc('dc2').setStatus('canary-dc2', 'critical');
  await expectServer(client, 'stable-dc1', 'no canary anywhere: its fallback, at home', gray);

  await graylane.close();
  client.close();
  await Promise.all(servers.map((server) => server.stop()));
  await consul.stop();
}

/** Calls until the expected one answers, for 2 s at most. */
async function expectServer(
  client: PaymentsClient,
  expected: string,
  what: string,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  const beganAtMs = performance.now();
  const { Metadata } = await import('@grpc/grpc-js');
  const metadata = Metadata.fromHttp2Headers(labels);
  let served = '';
  while (served !== expected && performance.now() - beganAtMs < 2_000) {
    served = (await charge(client, metadata)).servedBy;
    await sleep(2);
  }
  expectThat(served === expected, `${what}: ${served} after ${Math.round(performance.now() - beganAtMs)} ms`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
