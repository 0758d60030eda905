import { afterAll, beforeAll, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger';
import { createGraylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { startMetering } from '../../support/metering';
import { charge, paymentsClient, startPaymentsServer } from '../../support/payments';
import { callsOf, startTracing, type Tracing } from '../../support/tracing';

const closing = closeAfterEach();
let tracing: Tracing;

beforeAll(() => {
  tracing = startTracing();
});

afterAll(() => expect(tracing.complaints).toEqual([]));

it('tells of the faults of a policy in spans and metrics, by name and kind', async () => {
  const server = closing(await startPaymentsServer(), (one) => one.kill());
  const metering = startMetering();
  const common = { until: '2100-01-01T00:00:00Z', percent: 100 };
  const stopAbove = { failedPercentage: 0, minimumCalls: 2 };
  const graylane = closing(
    createGraylane({
      instances: { payments: [{ address: '127.0.0.1', port: server.port }] },
      policies: {
        payments: {
          schema: 1,
          service: 'payments',
          breaker: { enabled: false },
          faults: [
            { name: 'slow', match: { labels: { 'x-a': 'slow' } }, delayMs: 5, ...common },
            { name: 'dead', match: { labels: { 'x-a': 'dead' } }, abort: 'ABORTED', stopAbove, ...common },
          ],
        },
      },
      telemetry: { meterProvider: metering.provider },
      logger: silentLogger,
    }),
    (one) => one.close(),
  );
  const client = closing(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
  await charge(client);
  await charge(client, { 'x-a': 'slow' });
  await expect(charge(client, { 'x-a': 'dead' })).rejects.toMatchObject({ code: 10 });
  const calls = callsOf(tracing.take());
  const faultOf = ({ attributes }: { readonly attributes: Readonly<Record<string, unknown>> }) =>
    attributes['graylane.fault'];
  expect(calls.map(({ call }) => faultOf(call))).toEqual([undefined, 'slow', 'dead']);
  expect(calls.map(({ attempts }) => attempts.map(faultOf))).toEqual([[undefined], ['slow'], ['dead']]);

  const collected = await metering.collect();
  const of = { 'graylane.service': 'payments' };
  expect(collected.points('graylane.faults').map(({ labels, value }) => ({ ...labels, value }))).toEqual([
    { ...of, 'graylane.fault': 'slow', 'graylane.fault.kind': 'delay', value: 1 },
    { ...of, 'graylane.fault': 'dead', 'graylane.fault.kind': 'abort', value: 1 },
  ]);
  expect(collected.points('graylane.fault.calls').map(({ labels, value }) => ({ ...labels, value }))).toEqual([
    { ...of, 'graylane.fault': 'slow', 'graylane.outcome': 'delayed', value: 1 },
    { ...of, 'graylane.fault': 'dead', 'graylane.outcome': 'failed', value: 1 },
  ]);
  expect(collected.sum('graylane.fault.stopped')).toBe(0);
  await expect(charge(client, { 'x-a': 'dead' })).rejects.toMatchObject({ code: 10 });
  expect((await metering.collect()).sum('graylane.fault.stopped', { 'graylane.fault': 'dead' })).toBe(1);
  await charge(client, { 'x-a': 'dead' });
});
