import { afterEach, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type PolicyDocument } from '../../src/index';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../support/payments';
import { untilConnected } from '../support/until-ready';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function policy(retryBudget: PolicyDocument['retryBudget'] = {}): PolicyDocument {
  return {
    schema: 1,
    service: 'payments',
    routes: [{ name: 'all', to: '*', hedging: { delayMs: 30 } }],
    retryBudget,
    balancing: { algorithm: 'round_robin' },
  };
}

async function open(document: PolicyDocument): Promise<{ graylane: Graylane; servers: PaymentsServer[] }> {
  const servers = await Promise.all(['a', 'b'].map((name) => startPaymentsServer({ name })));
  for (const server of servers) closers.push(server.kill);
  const graylane = createGraylane({
    instances: { payments: servers.map(({ host, port }) => ({ address: host, port })) },
    policies: { payments: document },
  });
  closers.push(() => graylane.close());
  return { graylane, servers };
}

describe('hedging', () => {
  it('answers by the second attempt when the first is slow, and blames nobody who was discarded', async () => {
    const { graylane, servers } = await open(policy({ percent: 100, minPerSecond: 1_000 }));
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments');
    // A hedge has nowhere to go before.
    await untilConnected(graylane);
    servers[0]?.behave({ delayMs: 2_000 });
    for (let call = 0; call < 20; call += 1) expect((await charge(client)).servedBy).toBe('b');
    expect(graylane.breakers.list()).toEqual([]);
  });

  it('with its budget spent waits for the attempt that is out: no call fails for it', async () => {
    const { graylane, servers } = await open(policy({ percent: 0, minPerSecond: 0 }));
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments');
    for (const server of servers) server.behave({ delayMs: 100 });
    const calls = 50;
    await Promise.all(Array.from({ length: calls }, () => charge(client)));
    expect(servers.reduce((sum, server) => sum + server.calls, 0)).toBe(calls);
  });
});
