import * as grpc from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { createGraylane, type LogFields, type PolicyDocument } from '../../src/index';
import { closeAfterEach } from '../support/closers';
import { printFact } from '../support/figure';
import { graySplit } from '../support/gray-policy';
import { startMetering } from '../support/metering';
import { charge, paymentsClient, startPaymentsServer, tally } from '../support/payments';
import { callsOf, startTracing } from '../support/tracing';

const opened = closeAfterEach();
const tracing = startTracing();

/** As in production: real time, real servers. Half of the calls are for the canary. */
async function open(guard: NonNullable<NonNullable<PolicyDocument['subsets']>[string]['guard']>) {
  const [stable, canary] = await Promise.all(
    (['stable', 'canary'] as const).map(async (version) =>
      opened(await startPaymentsServer({ name: version, version }), (server) => server.kill()),
    ),
  );
  if (stable === undefined || canary === undefined) throw new Error('two were started');
  const metering = startMetering();
  const lines: { readonly message: string; readonly fields: LogFields | undefined }[] = [];
  const line = (message: string, fields?: LogFields): void => {
    if (message.includes('guard')) lines.push({ message, fields });
  };
  const graylane = opened(
    createGraylane({
      instances: {
        payments: [stable, canary].map(({ host, port, version }) => ({ address: host, port, tags: [version] })),
      },
      datacenters: ['dc1'],
      policies: {
        payments: {
          schema: 1,
          service: 'payments',
          subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable', guard } },
          default: 'stable',
          routes: [
            {
              name: 'everyone',
              split: graySplit(50),
            },
          ],
          retry: 'off',
        },
      },
      telemetry: { meterProvider: metering.provider },
      logger: { debug() {}, info: line, warn: line, error: line },
    }),
    (each) => each.close(),
  );
  await graylane.ready('payments');
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  return { graylane, client, stable, canary, metering, lines };
}

it('shows in spans, metrics and logs as the shed that it is, and its end too', async () => {
  const { graylane, client, canary, metering, lines } = await open({ holdMs: 2_000 });
  const isShed = (): boolean => graylane.inspect().services[0]?.guards[0]?.heldForMs !== undefined;
  for (let call = 0; call < 1_000 && !isShed(); call += 1) {
    canary.behave(canary.calls % 4 === 3 ? { code: grpc.status.INTERNAL } : undefined);
    await charge(client).catch(() => {});
  }
  tracing.take();
  for (let call = 0; call < 20; call += 1) await charge(client);
  const because = expect.stringMatching(/^guard: \d+ of \d+ failed, stable 0 of \d+$/);
  expect(lines).toEqual([
    {
      message: 'the guard sheds a subset',
      fields: { service: 'payments', subset: 'canary', because, heldForMs: expect.closeTo(1_800, -2.7) },
    },
  ]);
  const shed = callsOf(tracing.take()).filter(({ call }) => call.attributes['graylane.subset'] === 'canary');
  expect(shed.length).toBeGreaterThan(0);
  for (const { call } of shed) {
    expect(call.attributes).toMatchObject({ 'graylane.served_by': 'stable', 'graylane.fallback': true });
    expect(call.events.map(({ name, attributes }) => [name, attributes?.['graylane.subset']])).toContainEqual([
      'graylane.breaker.rejected',
      'canary',
    ]);
  }
  const state = { 'graylane.level': 'subset', 'graylane.subset': 'canary', 'graylane.datacenter': 'dc1' };
  const during = await metering.collect();
  expect(during.sum('graylane.breaker.state', { ...state, 'graylane.state': 'open' })).toBe(1);
  expect(during.points('graylane.guard').map(({ value }) => value)).toEqual([1]);
  expect(during.sum('graylane.breaker.openings', { 'graylane.level': 'subset' })).toBe(1);

  canary.behave(undefined);
  const served = async (): Promise<string> => (await charge(client)).version;
  await expect.poll(served, { timeout: 5_000, interval: 5 }).toBe('canary');
  expect(lines.map(({ message }) => message)).toEqual(['the guard sheds a subset', 'the guard restores a subset']);
  const after = await metering.collect();
  expect(after.points('graylane.guard').map(({ value }) => value)).toEqual([0]);
  expect(after.sum('graylane.breaker.state', { ...state, 'graylane.state': 'closed' })).toBe(1);
});

it('sheds a canary that takes three times as long, where twice is allowed, and no other', async () => {
  for (const [canaryMs, isSlow] of [
    [150, true],
    [50, false],
  ] as const) {
    const { graylane, client, stable, canary } = await open({ maxLatencyFactor: 2 });
    // So slow that what a busy machine adds to an answer is little of it.
    stable.behave({ delayMs: 50 });
    canary.behave({ delayMs: canaryMs });
    const guard = () => graylane.inspect().services[0]?.guards[0];
    let asked = 0;
    while (asked < 1_000 && guard()?.heldForMs === undefined) {
      await tally(
        100,
        ({ version }) => version,
        () => charge(client),
        16,
      );
      asked += 100;
    }
    printFact(
      `guard, canary takes ${canaryMs} ms, stable 50 ms, twice is allowed`,
      guard()?.because ?? `not shed in ${asked} calls`,
    );
    expect(guard()?.because !== undefined).toBe(isSlow);
    if (isSlow) expect(guard()?.because).toMatch(/^guard: half of \d+ took \d+ ms or longer, stable \d+(\.\d)? ms$/);
  }
});
