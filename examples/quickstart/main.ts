// An ordinary grpc-js client, balanced over three instances. No Consul needed: the instances are written down here.
import { createGraylane } from 'graylane';
import { charge, createPaymentsClient, expectThat, startPaymentsServer } from '../shared/payments';

async function main(): Promise<void> {
  const servers = await Promise.all(['p1', 'p2', 'p3'].map((name) => startPaymentsServer(name, 'stable')));

  // With Consul: createGraylane({ consul: { address: 'http://127.0.0.1:8500' } }), and nothing else changes.
  const graylane = createGraylane({
    instances: { payments: servers.map(({ host, port }) => ({ address: host, port })) },
  });
  const client = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments', { timeoutMs: 2_000 });

  const served = new Map<string, number>();
  for (let call = 0; call < 300; call += 1) {
    const { servedBy } = await charge(client);
    served.set(servedBy, (served.get(servedBy) ?? 0) + 1);
  }
  console.log('300 calls to', graylane.target('payments'), Object.fromEntries([...served].sort()));
  expectThat(served.size === 3, 'every instance answered some of them');

  await graylane.close();
  client.close();
  await Promise.all(servers.map((server) => server.stop()));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
