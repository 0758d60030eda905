import type * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { createGraylane, type PolicyDocument } from '../../src/index';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../support/payments';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** How a stream at an endpoint ends that leaves discovery while it runs, and what it brought. */
async function streamThroughRemoval(
  balancing: PolicyDocument['balancing'],
): Promise<{ received: number; code: number }> {
  const [leaving, staying] = await Promise.all(['leaving', 'staying'].map((name) => startPaymentsServer({ name })));
  const servers = [leaving, staying] as [PaymentsServer, PaymentsServer];
  for (const server of servers) closers.push(server.kill);
  const [first, second] = servers.map(({ host, port }) => ({ address: host, port }));
  const graylane = createGraylane({
    instances: { payments: [first as { address: string; port: number }] },
    policies: { payments: { schema: 1, service: 'payments', ...(balancing === undefined ? {} : { balancing }) } },
  });
  closers.push(() => graylane.close());
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  const stream = client.watch({ count: 20, intervalMs: 50 });
  let received = 0;
  const ended = new Promise<number>((resolve) => {
    stream.on('data', () => {
      received += 1;
    });
    stream.on('error', () => {});
    stream.on('status', (status: grpc.StatusObject) => resolve(status.code));
  });
  await expect.poll(() => received, { interval: 5 }).toBeGreaterThan(0);
  graylane.setInstances('payments', [second as { address: string; port: number }]);
  expect((await charge(client)).servedBy).toBe('staying');
  return { code: await ended, received };
}

describe('a stream at an endpoint that leaves discovery', () => {
  it('runs to its end', async () => {
    expect(await streamThroughRemoval(undefined)).toEqual({ code: 0, received: 20 });
  });

  it('ends when its time to drain is over, where the policy sets one', async () => {
    const { code, received } = await streamThroughRemoval({ drainMs: 200 });
    expect(code).toBe(14);
    expect(received).toBeLessThan(15);
  });
});
