import * as grpc from '@grpc/grpc-js';
import { metrics } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions } from '../../../src/index';
import { CALL_KINDS, type CallKind, run } from '../../support/call-kinds';
import { closeAfterEach, pause } from '../../support/closers';
import { printFact } from '../../support/figure';
import { GRAY_WITH_FALLBACK } from '../../support/gray-policy';
import { type Metering, startMetering } from '../../support/metering';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';

const afterTest = closeAfterEach();

const POLICY = {
  ...GRAY_WITH_FALLBACK,
  routes: [
    { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
    { name: 'hedged', match: { labels: { 'x-hedge': 'yes' } }, to: 'stable', hedging: { maxAttempts: 2, delayMs: 20 } },
  ],
  retry: {},
  retryBudget: { percent: 100, minPerSecond: 100 },
} as const;

function open(metering: Metering, servers: readonly PaymentsServer[], options: GraylaneOptions = {}): Graylane {
  const instances = servers.map(({ name, host, port, version }) => ({
    id: name,
    address: host,
    port,
    tags: [version],
  }));
  return afterTest(
    createGraylane({
      instances: { payments: instances },
      policies: { payments: POLICY },
      telemetry: { meterProvider: metering.provider },
      ...options,
    }),
    (graylane) => graylane.close(),
  );
}

async function serve(version: string, name = version): Promise<PaymentsServer> {
  return afterTest(await startPaymentsServer({ name, version }), (server) => server.kill());
}

describe('metrics', () => {
  it('agree with what callers saw and servers counted: all kinds, errors, cancels, deadlines, retries, hedges', async () => {
    const metering = startMetering();
    const servers = await Promise.all([serve('stable', 's1'), serve('stable', 's2'), serve('canary', 'c1')]);
    const [s1, s2, c1] = servers;
    const graylane = open(metering, servers);
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments');
    const seen = new Map<number, number>();
    const saw = (code: number): void => void seen.set(code, (seen.get(code) ?? 0) + 1);
    for (const kind of Object.keys(CALL_KINDS) as CallKind[]) {
      for (let call = 0; call < 25; call += 1)
        saw(await run(client, kind, call % 5 === 0 ? { 'x-gray': 'canary' } : {}));
    }
    s1?.behave({ delayMs: 60 });
    for (let call = 0; call < 20; call += 1) saw(await run(client, 'charge', { 'x-hedge': 'yes' }));
    s1?.behave(undefined);
    c1?.behave({ code: grpc.status.UNAVAILABLE });
    for (let call = 0; call < 20; call += 1) saw(await run(client, 'charge', { 'x-gray': 'canary' }));
    c1?.behave(undefined);
    for (const server of [s1, s2]) server?.behave({ code: grpc.status.NOT_FOUND });
    for (let call = 0; call < 20; call += 1) saw(await run(client, 'charge'));
    for (const server of [s1, s2]) server?.behave({ delayMs: 150 });
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const ended = new Promise<number>((resolve) => {
          const call = CALL_KINDS.charge(client, new grpc.Metadata(), resolve);
          setTimeout(() => call.cancel(), 50);
        });
        saw(await ended);
      }),
    );
    await Promise.all(
      Array.from({ length: 20 }, () =>
        charge(client, {}, { deadline: Date.now() + 100 }).then(
          () => saw(0),
          ({ code }) => saw(code),
        ),
      ),
    );
    await pause(200);
    const collected = await metering.collect();
    const calls = [...seen.values()].reduce((sum, count) => sum + count, 0);
    expect(collected.sum('rpc.client.call.duration')).toBe(calls);
    for (const [code, count] of seen) {
      const name = code === 0 ? 'OK' : grpc.status[code];
      expect([name, collected.sum('rpc.client.call.duration', { 'rpc.status_code': name })]).toEqual([name, count]);
    }
    const served = servers.reduce((sum, server) => sum + server.calls, 0);
    expect(collected.sum('graylane.picks')).toBe(served);
    expect(collected.sum('graylane.attempts')).toBe(served);
    expect(collected.sum('graylane.picks', { 'graylane.subset': 'canary' })).toBe(c1?.calls);
    expect(seen.get(grpc.status.DEADLINE_EXCEEDED)).toBeGreaterThan(0);
    expect(seen.get(grpc.status.CANCELLED)).toBeGreaterThan(0);
    expect(seen.get(grpc.status.NOT_FOUND)).toBeGreaterThan(0);
    expect(served).toBeGreaterThan(calls);
    expect(collected.sum('graylane.fallbacks')).toBeGreaterThan(0);
    expect(collected.sum('graylane.fallbacks')).toBe(collected.sum('graylane.failovers'));
    expect(collected.sum('graylane.breaker.openings', { 'graylane.level': 'endpoint' })).toBeGreaterThan(0);
    for (const { labels } of collected.points('graylane.attempts')) {
      expect(Object.keys(labels).sort()).toEqual([
        'graylane.datacenter',
        'graylane.service',
        'graylane.subset',
        'rpc.status_code',
      ]);
    }
    printFact(
      'calls and attempts in metrics',
      `${calls} calls, ${served} attempts, as callers saw and servers counted`,
    );
  });

  it('are registered when the SDK comes after the Graylane client, and outlive the Graylane client', async () => {
    const server = await serve('stable');
    const graylane = open(startMetering(), [server], { telemetry: {} });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await charge(client);
    const metering = startMetering();
    metrics.setGlobalMeterProvider(metering.provider);
    try {
      await charge(client);
      await charge(client);
      const open = await metering.collect();
      expect(open.sum('graylane.attempts')).toBe(2);
      expect(open.sum('graylane.endpoints')).toBe(1);
      await graylane.close();
      const afterwards = await metering.collect();
      expect(afterwards.sum('graylane.attempts')).toBe(2);
      expect(afterwards.sum('rpc.client.call.duration')).toBe(2);
      expect(afterwards.sum('graylane.endpoints')).toBe(0);
      expect(afterwards.sum('graylane.discovery.watch')).toBe(0);
    } finally {
      metrics.disable();
    }
  });

  it('count the attempts of clients that know nothing of the Graylane client', async () => {
    const metering = startMetering();
    const server = await serve('stable');
    open(metering, [server]).register();
    const client = afterTest(paymentsClient('static:///payments'), (each) => each.close());
    for (let call = 0; call < 3; call += 1) await charge(client);
    const collected = await metering.collect();
    expect(collected.sum('graylane.picks')).toBe(3);
    expect(collected.sum('graylane.attempts', { 'rpc.status_code': 'OK' })).toBe(3);
  });

  it('name 200 methods and put the rest together', async () => {
    const metering = startMetering();
    const server = await serve('stable');
    const graylane = open(metering, [server]);
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const raw = client as unknown as grpc.Client;
    const bytes = (value: Buffer): Buffer => value;
    for (let method = 0; method < 250; method += 1) {
      await new Promise<void>((resolve) =>
        raw.makeUnaryRequest(`/any.Service/Method${method}`, bytes, bytes, Buffer.alloc(0), () => resolve()),
      );
    }
    const collected = await metering.collect();
    expect(new Set(collected.points('rpc.client.call.duration').map(({ labels }) => labels['rpc.method'])).size).toBe(
      201,
    );
    expect(collected.sum('rpc.client.call.duration', { 'rpc.method': '_OTHER' })).toBe(50);
  });

  it('time a sample of decisions and picks', async () => {
    const metering = startMetering();
    const server = await serve('stable');
    const graylane = open(metering, [server]);
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    for (let call = 0; call < 600; call += 1) await charge(client);
    const collected = await metering.collect();
    expect(collected.sum('graylane.decision.duration')).toBe(2);
    expect(collected.sum('graylane.pick.duration')).toBe(2);
  });

  it('are not made when the Graylane client says so', async () => {
    const metering = startMetering();
    const server = await serve('stable');
    const graylane = open(metering, [server], { telemetry: { metrics: false, meterProvider: metering.provider } });
    await charge(paymentsClient(graylane.target('payments'), graylane.clientOptions()));
    expect((await metering.collect()).names).toEqual([]);
  });
});
