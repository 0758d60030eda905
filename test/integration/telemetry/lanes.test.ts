import { beforeAll, expect, it } from 'vitest';
import { createGraylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { startMetering } from '../../support/metering';
import { charge, paymentsClient, startPaymentsServer } from '../../support/payments';
import { callsOf, startTracing, type Tracing } from '../../support/tracing';

const closing = closeAfterEach();
const LANES = ['pr-1', 'pr-2', 'pr-3'];

let tracing: Tracing;
beforeAll(() => {
  tracing = startTracing();
});

it('lanes: spans have their names, metrics one name for all of them', async () => {
  const metering = startMetering();
  const servers = await Promise.all(
    [undefined, ...LANES].map(async (lane) => ({
      lane,
      server: closing(await startPaymentsServer({ name: lane ?? 'base' }), (one) => one.kill()),
    })),
  );
  const graylane = closing(
    createGraylane({
      instances: {
        payments: servers.map(({ lane, server: { name, host, port } }) => ({
          ...{ id: name, address: host, port, tags: ['stable'] },
          ...(lane === undefined ? {} : { meta: { lane } }),
        })),
      },
      policies: {
        payments: {
          schema: 1,
          service: 'payments',
          subsets: { stable: { tags: ['stable'] } },
          lanes: { by: 'x-lane' },
        },
      },
      telemetry: { meterProvider: metering.provider, tracerProvider: tracing.provider },
    }),
    (one) => one.close(),
  );
  const client = closing(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
  const asked = [...LANES, 'nobody', undefined];
  for (let made = 0; made < 10; made += 1) {
    for (const lane of asked) {
      await charge(client, graylane.metadata(lane === undefined ? {} : { 'x-lane': lane }));
    }
  }
  // An instance of a lane that a call without one is forced to.
  await graylane.with({ force: { instance: 'pr-1' } }, () => charge(client));

  const lanes = callsOf(tracing.take()).map(({ call, attempts }) => [
    call.attributes['graylane.lane'],
    call.attributes['graylane.subset'],
    attempts.map(({ attributes }) => [attributes['graylane.lane'], attributes['graylane.subset']].join()).join(';'),
  ]);
  const firsts = lanes.slice(0, asked.length);
  expect(firsts).toEqual([
    ...LANES.map((lane) => [lane, `lane ${lane}`, `${lane},lane ${lane}`]),
    [undefined, 'stable', ',stable'],
    [undefined, 'stable', ',stable'],
  ]);

  const found = await metering.collect();
  const subsets = new Set(
    found.names.flatMap((name) =>
      found.points(name).flatMap(({ labels }) => [labels['graylane.subset'], labels['graylane.served_by']]),
    ),
  );
  expect([...subsets].filter((subset) => subset !== undefined).sort()).toEqual(['lane', 'stable']);
  expect(found.sum('graylane.picks', { 'graylane.subset': 'lane' })).toBe(10 * LANES.length + 1);
  expect(found.sum('graylane.picks', { 'graylane.subset': 'stable' })).toBe(20);
  expect(found.sum('rpc.client.call.duration', { 'graylane.subset': 'lane', 'graylane.route': 'lane' })).toBe(30);
  expect(found.sum('graylane.endpoints', { 'graylane.subset': 'lane', 'graylane.state': 'ready' })).toBe(LANES.length);
  expect(found.sum('graylane.endpoints', { 'graylane.subset': 'stable', 'graylane.state': 'ready' })).toBe(1);
  expect(found.sum('graylane.breaker.state', { 'graylane.subset': 'lane' })).toBe(LANES.length);
});
