import * as grpc from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { createGraylane } from '../../src/index';
import { closeAfterEach, pause } from '../support/closers';
import { printFact } from '../support/figure';
import { paymentsClient, startPaymentsServer } from '../support/payments';
import { lostOf, plainClient, startCalls } from './fixtures/steady-calls';

const opened = closeAfterEach();

it('a service that fails altogether gets no storm of retries, its callers the real status', async () => {
  const start = (): ReturnType<typeof startPaymentsServer> => startPaymentsServer();
  const servers = await Promise.all([start(), start(), start(), start()]);
  for (const server of servers) opened(server, (each) => each.kill());
  const ports = servers.map(({ port }) => port);
  const attempts = (): number => servers.reduce((sum, { calls }) => sum + calls, 0);
  for (const server of servers) server.behave({ code: grpc.status.UNAVAILABLE, details: 'out of order' });

  const graylane = createGraylane({
    instances: { payments: ports.map((port) => ({ address: '127.0.0.1', port })) },
    policies: {
      payments: {
        schema: 1,
        service: 'payments',
        // A long first pause shows which calls waited for a retry.
        retry: { maxAttempts: 2, retryableStatusCodes: ['UNAVAILABLE'], initialBackoffMs: 500, maxBackoffMs: 500 },
      },
    },
  });
  opened(graylane, () => graylane.close());
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  const ours = startCalls(client);
  await pause(8_000);
  await ours.stop();
  const ratio = attempts() / ours.losses.length;

  const before = attempts();
  const plain = startCalls(opened(plainClient(ports), (each) => each.close()));
  await pause(2_000);
  await plain.stop();
  const plainRatio = (attempts() - before) / plain.losses.length;
  const atOnce = ours.losses.filter(({ atMs, startedAtMs }) => atMs - startedAtMs < 200).length / ours.losses.length;
  printFact(
    'everything fails, budget spent',
    `${ratio.toFixed(3)} attempts a call (${lostOf(ours)}, ${(atOnce * 100).toFixed(0)} % told at once); round_robin: ${plainRatio.toFixed(3)}`,
  );
  expect(ours.answers).toEqual([]);
  expect(new Set(ours.losses.map(({ error }) => `${error.code} ${error.details}`))).toEqual(
    new Set(['14 out of order']),
  );
  expect(ratio).toBeGreaterThan(1.05);
  expect(ratio).toBeLessThanOrEqual(1.2);
  expect(atOnce).toBeGreaterThan(0.75);
});
