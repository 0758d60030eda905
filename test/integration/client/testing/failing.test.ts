import { beforeEach, describe, expect, it } from 'vitest';
import { definePolicy } from '../../../../src/index';
import { createTestClient, type FakeService, fakeService, type TestClient } from '../../../../src/testing';
import { closeAfterEach, pause } from '../../../support/closers';
import { charge, Payments, type PaymentsClient, paymentsClient, startPaymentsServer } from '../../../support/payments';

const closing = closeAfterEach();
const policy = definePolicy({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'canary',
  retry: { maxAttempts: 2, retryableStatusCodes: ['UNAVAILABLE'], initialBackoffMs: 1 },
});
let services: readonly FakeService[];
let graylane: TestClient;
let client: PaymentsClient;

beforeEach(async () => {
  services = await Promise.all(
    ['stable', 'canary'].map(async (version) =>
      closing(
        await fakeService(Payments, { Charge: () => ({ version }) }, { id: version, tags: [version] }),
        (service) => service.stop(),
      ),
    ),
  );
  graylane = closing(createTestClient({ policy, instances: services.map(({ instance }) => instance) }), (opened) =>
    opened.close(),
  );
  client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
});

const version = async (): Promise<string> => (await charge(client)).version;

describe('fail()', () => {
  it('ends attempts at the subset, as often as told, and retries and fallbacks do the rest', async () => {
    graylane.fail('canary', { times: 2 });
    expect([await version(), await version(), await version()]).toEqual(['stable', 'stable', 'canary']);
    expect(services.map(({ calls }) => calls)).toEqual([2, 1]);
  });

  it('takes code and time as told, and gives them to the caller', async () => {
    const end = graylane.fail('canary', { code: 'INVALID_ARGUMENT', delayMs: 60 });
    const started = performance.now();
    await expect(charge(client)).rejects.toMatchObject({ code: 3, details: 'canary was told to fail by the test' });
    expect(performance.now() - started).toBeGreaterThan(55);
    end();
    end();
    expect(await version()).toBe('canary');
  });

  it('opens breakers as real failures do', async () => {
    graylane.fail('canary', { code: 'INTERNAL' });
    for (let made = 0; made < 12; made += 1) await charge(client).catch(() => {});
    const [service] = graylane.inspect().services;
    expect(service?.breakers.map(({ state }) => state)).toContain('open');
    expect(await version()).toBe('stable');
  });

  it('can be cancelled while it waits, and runs into a deadline', async () => {
    graylane.fail('canary', { delayMs: 60_000, times: 2 });
    await expect(charge(client, {}, { deadline: Date.now() + 500 })).rejects.toMatchObject({ code: 4 });
    const call = client.charge({}, () => {});
    await expect.poll(() => graylane.decisions.length).toBe(2);
    await pause(20);
    call.cancel();
    await pause(20);
    expect(await version()).toBe('canary');
  });

  it('fails streams, too', async () => {
    graylane.fail('canary', { code: 'PERMISSION_DENIED' });
    const error = await new Promise((resolve) => client.upload(graylane.metadata({}), resolve).end());
    expect(error).toMatchObject({ code: 7 });
  });

  it('refuses what can never be', () => {
    expect(() => graylane.fail('canray')).toThrow('subset: canray (expected: stable, canary)');
    expect(() => graylane.fail('canary', { code: 'OK' as 'UNKNOWN', times: 0, delayMs: -1 })).toThrow(
      /^code: OK.*\ntimes: 0 .*\ndelayMs: -1/,
    );
  });
});

describe('fakeService()', () => {
  it('answers as its handlers say, and as it is told', async () => {
    const [stable] = services;
    graylane.setPolicy('payments', { ...policy, default: 'stable', retry: 'off' });
    expect(await version()).toBe('stable');
    stable?.answerWith('NOT_FOUND', { delayMs: 1 });
    await expect(version()).rejects.toMatchObject({ code: 5 });
    stable?.answerWith();
    expect(await version()).toBe('stable');
    expect(stable?.calls).toBe(3);
  });

  it('sends what a handler throws, and nothing for a method without one', async () => {
    const service = closing(
      await fakeService(Payments.service, {
        charge: async () => {
          throw Object.assign(new Error('no funds'), { code: 9, details: 'no funds' });
        },
      }),
      (one) => one.stop(),
    );
    const alone = closing(createTestClient({ service: 'payments', instances: [service.instance] }), (one) =>
      one.close(),
    );
    const caller = paymentsClient(alone.target('payments'), alone.clientOptions());
    await expect(charge(caller)).rejects.toMatchObject({ code: 9, details: 'no funds' });
    const status = await new Promise((resolve) => caller.watch({ count: 1 }).on('error', resolve));
    expect(status).toMatchObject({ code: 12 });
    await expect(fakeService(Payments, { Chrage: () => ({}) })).rejects.toThrow(
      /handlers\.Chrage: unknown \(expected: .*Charge/,
    );
  });

  it('serves other kinds of calls by grpc-js handlers', async () => {
    const real = closing(await startPaymentsServer(), (server) => server.kill());
    expect(real.port).not.toBe(services[0]?.instance.port);
    const service = closing(
      await fakeService(Payments, {
        watch: (call: { write(reply: object): void; end(): void }) => {
          call.write({ servedBy: 'fake' });
          call.end();
        },
      }),
      (one) => one.stop(),
    );
    const caller = closing(paymentsClient(`127.0.0.1:${service.instance.port}`), (one) => one.close());
    const replies: unknown[] = [];
    await new Promise((resolve) =>
      caller
        .watch({ count: 1 })
        .on('data', (reply) => replies.push(reply))
        .on('end', resolve),
    );
    expect(replies).toEqual([expect.objectContaining({ servedBy: 'fake' })]);
  });
});
