import { expect, it } from 'vitest';
import { createGraylane } from '../../src/index';
import { closeAfterEach, pause } from '../support/closers';
import { printFact } from '../support/figure';
import { type PaymentsClient, type PaymentsServer, paymentsClient, startPaymentsServer } from '../support/payments';
import { lostOf, plainClient, startCalls } from './fixtures/steady-calls';

const opened = closeAfterEach();

async function serve(name: string, port?: number): Promise<PaymentsServer> {
  return opened(await startPaymentsServer({ name }, '127.0.0.1', port), (server) => server.kill());
}

/** Resolves with the number of messages when the stream ends well. */
function stream(client: PaymentsClient): Promise<number> {
  const call = client.watch({ count: 20, intervalMs: 50 });
  let messages = 0;
  call.on('data', () => {
    messages += 1;
  });
  return new Promise((resolve, reject) => {
    call.on('end', () => resolve(messages));
    call.on('error', reject);
  });
}

it('a graceful restart of every instance in turn loses no call and cuts no stream', { timeout: 40_000 }, async () => {
  const servers = await Promise.all([0, 1, 2, 3].map((n) => serve(`p${n}`)));
  const ports = servers.map(({ port }) => port);
  const graylane = createGraylane({ instances: { payments: ports.map((port) => ({ address: '127.0.0.1', port })) } });
  opened(graylane, () => graylane.close());
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  const rival = opened(plainClient(ports), (each) => each.close());
  await graylane.ready('payments');
  const ours = startCalls(client);
  const plain = startCalls(rival);
  await pause(500);
  const streams: Promise<number>[] = [];
  for (const server of servers) {
    // Enough of them that each instance has some when it is told to go.
    for (let n = 0; n < 8; n += 1) streams.push(stream(client));
    await pause(200);
    const callsBefore = server.calls;
    expect(callsBefore).toBeGreaterThan(0);
    await server.stop();
    const again = await serve(server.name, server.port);
    // It takes calls again before the next one goes.
    await expect.poll(() => again.calls, { timeout: 10_000 }).toBeGreaterThan(5);
  }
  await Promise.all([ours.stop(), plain.stop()]);
  printFact('graceful restart of every instance in turn', `${lostOf(ours)}; round_robin: ${lostOf(plain)}`);
  expect(await Promise.all(streams)).toEqual(streams.map(() => 20));
  expect(ours.losses.map(({ error }) => error.details)).toEqual([]);
});
