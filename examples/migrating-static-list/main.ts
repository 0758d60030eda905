// From a list of addresses in the configuration to the same list with a policy: no Consul needed, and none in the way later.
import { setTimeout as sleep } from 'node:timers/promises';
import { createGraylane } from 'graylane';
import { charge, createPaymentsClient, expectThat, type PaymentsClient, startPaymentsServer } from '../shared/payments';

async function main(): Promise<void> {
  const stable = await Promise.all(['p1', 'p2'].map((name) => startPaymentsServer(name, 'stable')));
  const canary = await startPaymentsServer('p3', 'canary');

  // Before: the addresses alone.
  const addresses = [...stable, canary].map(({ host, port }) => `${host}:${port}`);
  const before = createPaymentsClient(`ipv4:${addresses.join(',')}`, {
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  });

  // After: the same addresses, with what is known of them.
  const graylane = createGraylane({
    instances: {
      payments: [
        ...stable.map(({ host, port }) => ({ address: host, port, tags: ['stable'] })),
        { address: canary.host, port: canary.port, tags: ['canary'] },
      ],
    },
    policies: {
      payments: {
        schema: 1,
        service: 'payments',
        subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
        default: 'stable',
        routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
      },
    },
  });
  const after = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');

  // round_robin begins with whoever is connected first.
  for (let round = 0; round < 50 && (await served(before)).length < 3; round += 1) await sleep(20);
  expectThat((await served(before)).join() === 'p1,p2,p3', 'before: every address in turn, the canary as well');
  expectThat((await served(after)).join() === 'p1,p2', 'after: nobody gets the canary unasked');
  const tester = await charge(after, graylane.metadata({ 'x-gray': 'canary' }));
  expectThat(tester.servedBy === 'p3', 'after: a tester gets it');

  // The list may change while it runs; a file does the same: instances: { file: 'instances.yaml' }.
  graylane.setInstances('payments', [{ address: stable[0]?.host ?? '', port: stable[0]?.port ?? 0, tags: ['stable'] }]);
  expectThat((await served(after)).join() === 'p1', 'after: a list that has become shorter, without a new client');

  await graylane.close();
  for (const client of [before, after]) client.close();
  await Promise.all([...stable, canary].map((server) => server.stop()));
}

async function served(client: PaymentsClient): Promise<readonly string[]> {
  const replies = await Promise.all(Array.from({ length: 60 }, () => charge(client)));
  return [...new Set(replies.map(({ servedBy }) => servedBy))].sort();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
