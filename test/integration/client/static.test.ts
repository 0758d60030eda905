import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { createGraylane, definePolicy, type Graylane } from '../../../src/index';
import { GRAY_WITH_FALLBACK, graySplit } from '../../support/gray-policy';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer, tally } from '../../support/payments';

const policy = definePolicy({
  ...GRAY_WITH_FALLBACK,
  routes: [
    { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true },
    {
      name: 'everyone',
      split: graySplit(10),
    },
  ],
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function servers(): Promise<{ stable: PaymentsServer; canary: PaymentsServer }> {
  const stable = await startPaymentsServer({ name: 's1', version: 'stable' });
  const canary = await startPaymentsServer({ name: 'c1', version: 'canary' });
  closers.push(stable.kill, canary.kill);
  return { stable, canary };
}

function graylane(stable: PaymentsServer, canary: PaymentsServer): Graylane {
  const opened = createGraylane({
    instances: {
      payments: [
        { address: stable.host, port: stable.port, tags: ['stable'] },
        { address: canary.host, port: canary.port, tags: ['canary'] },
      ],
    },
    policies: { payments: policy },
  });
  closers.push(() => opened.close());
  return opened;
}

describe('a Graylane client over static instances', () => {
  it('sends a call with gray metadata to the canary and others by weight', async () => {
    const { stable, canary } = await servers();
    const opened = graylane(stable, canary);
    const client = paymentsClient(opened.target('payments'), opened.clientOptions());
    const gray = await tally(
      50,
      (reply) => reply.version,
      () => charge(client, { 'x-gray': 'canary' }),
    );
    expect(Object.fromEntries(gray)).toEqual({ canary: 50 });
    const split = await tally(
      1_000,
      (reply) => reply.version,
      () => charge(client),
    );
    expect(split.get('canary')).toBeGreaterThan(60);
    expect(split.get('canary')).toBeLessThan(150);
  });

  it('serves all four call kinds by the same routes', async () => {
    const { stable, canary } = await servers();
    const opened = graylane(stable, canary);
    const client = paymentsClient(opened.target('payments'), opened.clientOptions());
    const gray = opened.metadata({ 'x-gray': 'canary' });
    const watched: string[] = [];
    for await (const reply of client.watch({ count: 3 }, gray)) watched.push(reply.version);
    expect(watched).toEqual(['canary', 'canary', 'canary']);
    const uploaded = await new Promise<{ count: number; version: string }>((resolve, reject) => {
      const call = client.upload(gray, (error, reply) => (error === null ? resolve(reply) : reject(error)));
      call.write({ order: 'a' });
      call.write({ order: 'b' });
      call.end();
    });
    expect(uploaded).toMatchObject({ count: 2, version: 'canary' });
    const conversed: string[] = [];
    const call = client.converse(gray);
    call.write({ order: 'a' });
    call.end();
    for await (const reply of call) conversed.push(reply.version);
    expect(conversed).toEqual(['canary']);
  });

  it('says what is missing when a strict route has nobody', async () => {
    const { stable, canary } = await servers();
    const opened = graylane(stable, canary);
    opened.setInstances('payments', [{ address: stable.host, port: stable.port, tags: ['stable'] }]);
    const client = paymentsClient(opened.target('payments'), opened.clientOptions());
    const failure = await charge(client, { 'x-gray': 'canary' }).catch((error: grpc.ServiceError) => error);
    expect(failure).toMatchObject({
      code: grpc.status.UNAVAILABLE,
      details: expect.stringContaining('payments/canary: 1 registered in local, none in canary (tags: [canary])'),
    });
    expect((failure as grpc.ServiceError).details).toContain('fallback none');
  });
});
