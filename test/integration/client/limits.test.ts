import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createGraylane, type PolicyDocument } from '../../../src/index';
import type { LimitsDocument } from '../../../src/policy/document';
import { closeAfterEach, pause } from '../../support/closers';
import { startMetering } from '../../support/metering';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';

const opened = closeAfterEach();

async function world(
  limits: LimitsDocument,
  more: Partial<PolicyDocument['subsets']> = {},
  policy: object = {},
  connectTimeoutMs = 10_000,
) {
  const start = async (version: string): Promise<PaymentsServer> =>
    opened(await startPaymentsServer({ name: version, version }), (one) => one.kill());
  const [canary, stable] = [await start('canary'), await start('stable')];
  const document = {
    schema: 1,
    service: 'payments',
    subsets: { canary: { tags: ['canary'], limits, ...more }, stable: { tags: ['stable'] } },
    default: 'canary',
    ...policy,
  } as unknown as PolicyDocument;
  const metering = startMetering();
  const graylane = opened(
    createGraylane({
      instances: {
        payments: [canary, stable].map(({ port, version }) => ({
          address: '127.0.0.1',
          port,
          id: version,
          tags: [version],
        })),
      },
      policies: { payments: document },
      connectTimeoutMs,
      telemetry: { meterProvider: metering.provider },
    }),
    (one) => one.close(),
  );
  const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
  await graylane.ready('payments');
  await charge(client);
  const limit = () => graylane.inspect().services[0]?.limits[0];
  const settle = async (count: number) => {
    const results = await Promise.allSettled(Array.from({ length: count }, () => charge(client)));
    const served = results.flatMap((each) => (each.status === 'fulfilled' ? [each.value.servedBy] : []));
    const refused = results.flatMap((each) => (each.status === 'rejected' ? [each.reason as grpc.ServiceError] : []));
    return { served, refused, by: (name: string) => served.filter((each) => each === name).length };
  };
  return { graylane, client, canary, stable, limit, settle, metering };
}

async function until(isTrue: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!isTrue()) {
    if (performance.now() > end) expect.fail('it did not come about');
    await pause(5);
  }
}

describe('a full subset', () => {
  it('refuses what nobody else may have, says why, and charges no instance', async () => {
    const { graylane, canary, limit, settle, metering } = await world({ maxInFlight: 5 });
    canary.behave({ delayMs: 200 });
    const before = canary.calls;
    const { served, refused } = await settle(20);
    expect([served.length, refused.length, canary.calls - before]).toEqual([5, 15, 5]);
    for (const { code, details } of refused) {
      expect([code, details]).toEqual([
        grpc.status.UNAVAILABLE,
        expect.stringMatching(/^payments\/canary: \d of 5 calls in flight \(limits\.maxInFlight\); fallback none$/),
      ]);
    }
    expect(limit()).toEqual({ subset: 'canary', maxInFlight: 5, inFlight: 0, maxPending: 0, pending: 0, refused: 15 });
    const explained = graylane.explain('payments', { method: '/shop.v1.Payments/Charge' });
    expect(explained.tiers[0]?.limit).toEqual(limit());
    expect(graylane.inspect().services[0]?.breakers.filter(({ counts }) => counts.failures > 0)).toEqual([]);
    const collected = await metering.collect();
    expect(collected.sum('graylane.limit.refused', { 'graylane.subset': 'canary' })).toBe(15);
  });

  it('does not try a refused call again, whatever may be tried again', async () => {
    const { canary, settle, limit } = await world({ maxInFlight: 1 }, {}, { retry: { maxAttempts: 5 } });
    canary.behave({ delayMs: 100 });
    expect((await settle(4)).refused).toHaveLength(3);
    expect(limit()?.refused).toBe(3);
  });

  it('gives its calls to its fallback, a strict route none', async () => {
    const strict = { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true };
    const { canary, client, settle } = await world({ maxInFlight: 5 }, { fallback: 'stable' } as object, {
      routes: [strict],
    });
    canary.behave({ delayMs: 200 });
    const spread = settle(20);
    await pause(50);
    await expect(charge(client, { 'x-gray': 'canary' })).rejects.toMatchObject({
      details: 'payments/canary: 5 of 5 calls in flight (limits.maxInFlight); fallback none',
    });
    const { by, refused } = await spread;
    expect([by('canary'), by('stable'), refused.length]).toEqual([5, 15, 0]);
  });

  it('has so many wait and serves them as places become free', async () => {
    const { canary, limit, settle } = await world({ maxInFlight: 5, maxPending: 10 });
    canary.behave({ delayMs: 100 });
    const all = settle(20);
    await until(() => limit()?.pending === 10);
    const { served, refused } = await all;
    expect([served.length, refused.length]).toEqual([15, 5]);
    expect(refused[0]?.details).toBe(
      'payments/canary: 0 of 5 calls in flight (limits.maxInFlight), 10 of 10 waiting (limits.maxPending); fallback none',
    );
    expect(limit()).toMatchObject({ inFlight: 0, pending: 0 });
  });

  it('refuses who has waited for the connect timeout, and keeps no place for who has given up', async () => {
    const { canary, client, limit, settle } = await world({ maxInFlight: 1, maxPending: 1 }, {}, {}, 500);
    canary.behave({ delayMs: 1_500 });
    const first = charge(client);
    await until(() => limit()?.inFlight === 1);
    await expect(charge(client, {}, { deadline: Date.now() + 100 })).rejects.toMatchObject({ code: 4 });
    await pause(500);
    const begunAt = performance.now();
    const { refused } = await settle(1);
    expect(refused[0]?.details).toContain('1 of 1 calls in flight');
    expect(performance.now() - begunAt).toBeGreaterThan(400);
    await first;
  });

  it('counts a stream for as long as it is open', async () => {
    const { client, limit, settle } = await world({ maxInFlight: 2 });
    const streams = [0, 1].map(() => {
      const stream = client.watch({ count: 1_000, intervalMs: 20 });
      stream.on('error', () => undefined);
      stream.on('data', () => undefined);
      return stream;
    });
    await until(() => limit()?.inFlight === 2);
    expect((await settle(1)).refused).toHaveLength(1);
    streams[0]?.cancel();
    await until(() => limit()?.inFlight === 1);
    expect((await settle(1)).served).toHaveLength(1);
  });

  it('serves a call that waits for ready when a place is free', async () => {
    const { canary, client, limit } = await world({ maxInFlight: 1 });
    canary.behave({ delayMs: 200 });
    const first = charge(client);
    await until(() => limit()?.inFlight === 1);
    const patient = new grpc.Metadata({ waitForReady: true });
    expect((await charge(client, patient)).servedBy).toBe('canary');
    await first;
  });

  it('has room at once when its limit is raised, and none of it is lost with another policy', async () => {
    const { graylane, canary, client, limit, settle } = await world({ maxInFlight: 1 });
    canary.behave({ delayMs: 300 });
    const first = charge(client);
    await until(() => limit()?.inFlight === 1);
    const document = graylane.inspect().services[0]?.policy.document as PolicyDocument<'canary' | 'stable'>;
    const subsets = { ...document.subsets, canary: { tags: ['canary'], limits: { maxInFlight: 3 } } };
    graylane.setPolicy('payments', { ...document, subsets } as PolicyDocument);
    await until(() => limit()?.maxInFlight === 3);
    expect(limit()?.inFlight).toBe(1);
    const { served, refused } = await settle(5);
    expect([served.length, refused.length]).toEqual([2, 3]);
    await first;
  });
});
