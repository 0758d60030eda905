// From dns:/// with round_robin to Consul: a new instance gets calls when it is registered, not when a name is resolved again.
import { setTimeout as sleep } from 'node:timers/promises';
import { createGraylane } from 'graylane';
import { startConsul } from '../../test/support/consul/start';
import { charge, createPaymentsClient, expectThat, type PaymentsClient, startPaymentsServer } from '../shared/payments';

async function main(): Promise<void> {
  // Your own Consul is running already; this one is started for the example.
  const consul = await startConsul();
  const dc1 = consul.dc('dc1');
  const first = await startPaymentsServer('p1', 'stable');
  await dc1.register({ name: 'payments', id: 'p1', address: first.host, port: first.port });

  // Before.
  const before = createPaymentsClient(`dns:///localhost:${first.port}`, {
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  });

  // After: the target and the options. Nothing changes at the call sites.
  const graylane = createGraylane({ consul: { address: dc1.address } });
  const after = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');

  expectThat((await served(before)).join() === 'p1', 'before: the instance that the name stands for');
  expectThat((await served(after)).join() === 'p1', 'after: the instance that is registered');

  const second = await startPaymentsServer('p2', 'stable');
  await dc1.register({ name: 'payments', id: 'p2', address: second.host, port: second.port });
  const registeredMs = performance.now();
  while (!(await served(after)).includes('p2')) await sleep(5);
  console.log(`     p2 got its first calls after ${Math.round(performance.now() - registeredMs)} ms`);
  expectThat((await served(after)).join() === 'p1,p2', 'after: both, once the second is registered');
  expectThat(
    (await served(before)).join() === 'p1',
    'before: still the first; a name has one port, and is asked again on failure',
  );

  await dc1.setStatus('p1', 'critical');
  while ((await served(after)).includes('p1')) await sleep(5);
  expectThat(
    (await served(before)).join() === 'p1',
    'an instance that its check calls critical: before goes on, after leaves it',
  );

  await graylane.close();
  for (const client of [before, after]) client.close();
  await Promise.all([first.stop(), second.stop()]);
  await consul.stop();
}

/** Who answers a handful of calls. */
async function served(client: PaymentsClient): Promise<readonly string[]> {
  const replies = await Promise.all(Array.from({ length: 50 }, () => charge(client)));
  return [...new Set(replies.map(({ servedBy }) => servedBy))].sort();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
