import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { type FakeService, fakeService } from '../../../../src/client/testing/fake-service';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../../src/index';
import type { MirrorDocument } from '../../../../src/policy/mirror-document';
import { closeAfterEach } from '../../../support/closers';
import { startMetering } from '../../../support/metering';
import { charge, Payments, type PaymentsClient, paymentsClient } from '../../../support/payments';

const opened = closeAfterEach();

type Reply = Readonly<Record<string, string>>;

interface World {
  readonly graylane: Graylane;
  readonly client: PaymentsClient;
  readonly stable: FakeService;
  readonly canary: FakeService;
  readonly logged: readonly string[];
  readonly metering: ReturnType<typeof startMetering>;
  readonly comparison: () => NonNullable<
    ReturnType<Graylane['inspect']>['services'][number]['mirrors'][number]['comparison']
  >;
}

/** `canary` gets the number of the copy, from 1 on, and changes what stable would answer. */
async function world(
  canary: (copy: number) => Reply,
  { mirror = {}, policy = {} }: { readonly mirror?: Partial<MirrorDocument>; readonly policy?: object } = {},
): Promise<World> {
  let answers = 0;
  let copies = 0;
  // The time is noise: another in each answer.
  const answer = (): Reply => {
    answers += 1;
    return { order: 'o-1', version: '1', tag: `at ${answers}` };
  };
  const start = async (tag: string, more: () => Reply): Promise<FakeService> =>
    opened(
      await fakeService(Payments, { charge: () => ({ ...answer(), ...more() }) }, { tags: [tag], id: tag }),
      (one) => one.stop(),
    );
  const stable = await start('stable', () => ({}));
  const mirrorServer = await start('canary', () => {
    copies += 1;
    return canary(copies);
  });
  const document = {
    schema: 1,
    service: 'payments',
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
    default: 'stable',
    routes: [{ name: 'everyone', to: 'stable', mirror: { to: 'canary', compare: true, ...mirror } }],
    retry: {},
    ...policy,
  } as unknown as PolicyDocument;
  const logged: string[] = [];
  const log = (message: string, fields?: object): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const metering = startMetering();
  const graylane = opened(
    createGraylane({
      instances: { payments: [stable.instance, mirrorServer.instance] },
      policies: { payments: document },
      logger: { debug() {}, info() {}, warn: log, error: log },
      telemetry: { meterProvider: metering.provider },
    }),
    (one) => one.close(),
  );
  const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
  await graylane.ready('payments');
  const comparison: World['comparison'] = () => {
    const found = graylane.inspect().services[0]?.mirrors[0]?.comparison;
    if (found === undefined) throw new Error('nothing was compared');
    return found;
  };
  return { graylane, client, stable, canary: mirrorServer, logged, metering, comparison };
}

/** Makes so many calls, and waits for what becomes of their copies. */
async function make(count: number, { client, graylane }: World): Promise<void> {
  const settled = (): number => {
    const [mirror] = graylane.inspect().services[0]?.mirrors ?? [];
    return (mirror?.comparison?.compared ?? 0) + (mirror?.comparison?.uncompared ?? 0) + (mirror?.dropped.busy ?? 0);
  };
  const before = settled();
  for (let call = 0; call < count; call += 10) {
    await Promise.all(Array.from({ length: Math.min(10, count - call) }, () => charge(client).catch(() => {})));
  }
  await expect.poll(settled).toBe(before + count);
}

describe('compare', () => {
  it('finds a field that differs now and then, and not the one that always does', async () => {
    const here = await world((copy) => (copy % 20 === 0 ? { version: '2' } : {}));
    await make(500, here);
    // A busy machine drops copies.
    for (let more = 0; more < 10 && here.comparison().fields.every(({ isFlagged }) => !isFlagged); more += 1)
      await make(200, here);
    const { fields, differing, unflagged, equal, compared } = here.comparison();
    expect(fields.map(({ field, isFlagged }) => [field, isFlagged])).toEqual([
      ['version', true],
      ['tag', false],
    ]);
    expect(fields[0]).toMatchObject({ method: '/shop.v1.Payments/Charge', noiseDiffering: 0 });
    expect(differing).toBeGreaterThan(0);
    expect(equal + unflagged + differing).toBe(compared);
    const told = here.logged.filter((line) => line.startsWith('answers of the mirror differ'));
    expect(told).toHaveLength(1);
    // Names, never values.
    expect([...here.logged, JSON.stringify(here.comparison())].join()).not.toMatch(/at \d|o-1/);
    const collected = await here.metering.collect();
    expect(collected.sum('graylane.mirror.compared', { 'graylane.mirror.result': 'differing' })).toBe(differing);
    const named = { 'graylane.mirror.field': 'version', 'rpc.method': 'shop.v1.Payments/Charge' };
    expect(collected.sum('graylane.mirror.differences', named)).toBe(differing);
    expect(collected.sum('graylane.mirror.copies', { 'graylane.mirror.kind': 'noise' })).toBeGreaterThan(0);
  });

  it('flags nothing where both are alike', async () => {
    const here = await world(() => ({}));
    await make(300, here);
    expect(here.comparison()).toMatchObject({ differing: 0, fields: [{ field: 'tag', isFlagged: false }] });
  });

  it('leaves out what the policy ignores', async () => {
    const here = await world(() => ({ version: '2' }), { mirror: { compare: { ignore: ['version', 'tag'] } } });
    await make(50, here);
    expect(here.comparison()).toMatchObject({ equal: 50, fields: [] });
  });

  it('compares status codes', async () => {
    const here = await world(() => ({}));
    here.canary.answerWith('NOT_FOUND');
    await make(60, here);
    expect(here.comparison().fields[0]).toMatchObject({ field: '(status)', isFlagged: true });
    here.stable.answerWith('NOT_FOUND');
    const before = here.comparison().equal;
    await make(70, here).catch(() => {});
    await expect.poll(() => here.comparison().equal).toBeGreaterThan(before);
  });

  it.each([
    ['may run once only', { retry: 'off' }],
    ['of which nothing is said', { retry: undefined }],
  ])('makes no second copy of a call that %s, and flags what differs at once', async (_, policy) => {
    const here = await world((copy) => (copy === 30 ? { version: '2' } : {}), {
      mirror: { compare: { ignore: ['tag'] } },
      policy,
    });
    await make(60, here);
    expect(here.stable.calls).toBe(60);
    expect(here.comparison()).toMatchObject({
      noiseCompared: 0,
      fields: [{ field: 'version', isFlagged: true, differing: 1 }],
    });
  });

  it('begins anew when the mirror is another, and goes on when the rest of the policy is', async () => {
    const here = await world(() => ({}));
    await make(20, here);
    const [document] = here.graylane.inspect().services.flatMap(({ policy }) => policy.document ?? []);
    const changed = (more: object, mirror: object = {}) => {
      const [route] = document?.routes ?? [];
      const next = { ...document, ...more, routes: [{ ...route, mirror: { ...route?.mirror, ...mirror } }] };
      here.graylane.setPolicy('payments', next as PolicyDocument);
    };
    changed({ timeoutMs: 20_000 }, { percent: 100 });
    await charge(here.client);
    await expect.poll(() => here.comparison().compared).toBe(21);
    changed({}, { compare: { ignore: ['tag'] } });
    await charge(here.client);
    await expect.poll(() => here.comparison()).toMatchObject({ compared: 1, equal: 1 });
  });
});

it('compares bytes where no definition shows how to read them', async () => {
  const here = await world((copy) => (copy > 5 ? { version: '2' } : { tag: 'same' }), { policy: { retry: 'off' } });
  const same = (bytes: Buffer): Buffer => bytes;
  const { graylane } = here;
  graylane.describeMethods({
    raw: { path: '/shop.v1.Payments/Charge', requestStream: false, responseStream: false, options: {} },
  });
  const channel = graylane.channel('payments', grpc.credentials.createInsecure());
  const client = opened(
    new grpc.Client('payments', grpc.credentials.createInsecure(), { channelOverride: channel }),
    (one) => one.close(),
  );
  await new Promise<void>((resolve, reject) =>
    client.makeUnaryRequest('/shop.v1.Payments/Charge', same, same, Buffer.alloc(0), (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
  await expect.poll(() => here.comparison().fields[0]).toMatchObject({ field: '(message)', isFlagged: true });
});
