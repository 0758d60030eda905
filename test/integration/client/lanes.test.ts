import { beforeAll, describe, expect, it } from 'vitest';
import type { CallReport, PolicyDocument } from '../../../src/index';
import { createTestClient, type TestClient, type TestClientOptions } from '../../../src/testing';
import { closeAfterEach } from '../../support/closers';
import {
  CHARGE,
  type ChargeReply,
  charge,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';

const closing = closeAfterEach();
const START = new Date('2026-06-01T00:00:00Z');
const HOUR_MS = 3_600_000;

type Lanes = NonNullable<PolicyDocument['lanes']>;
type Meta = Readonly<Record<string, string>>;

const policyOf = (lanes: Lanes, more: Partial<PolicyDocument> = {}): PolicyDocument => ({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  lanes,
  ...more,
});

interface World {
  readonly client: TestClient;
  readonly servers: Readonly<Record<string, PaymentsServer>>;
  /** Who served, or the status. */
  call(labels?: Meta): Promise<string>;
  report(labels?: Meta): Promise<CallReport>;
}

/**
 * One server for each name; instances have the meta given, and the tag `stable` unless they are called canary. `far` is
 * in dc2.
 */
async function open(
  instances: Readonly<Record<string, Meta>>,
  policy: PolicyDocument,
  more: TestClientOptions = {},
): Promise<World> {
  const servers: Record<string, PaymentsServer> = {};
  for (const name of Object.keys(instances)) {
    servers[name] = closing(await startPaymentsServer({ name }), (server) => server.kill());
  }
  const client = closing(
    createTestClient({
      policy,
      startsAt: START,
      instances: Object.entries(instances).map(([id, meta]) => ({
        id,
        address: '127.0.0.1',
        port: servers[id]?.port ?? 0,
        tags: [id.startsWith('canary') ? 'canary' : 'stable'],
        meta,
        datacenter: id === 'far' ? 'dc2' : 'dc1',
      })),
      ...more,
    }),
    (one) => one.close(),
  );
  const stub = closing(paymentsClient(client.target('payments'), client.clientOptions()), (one) => one.close());
  const call = (labels: Meta = {}): Promise<string> =>
    charge(stub, client.metadata(labels)).then(
      (reply: ChargeReply) => reply.servedBy,
      (error: { readonly details: string }) => error.details,
    );
  const report = (labels: Meta = {}): Promise<CallReport> =>
    new Promise((resolve) => client.with({ observe: resolve }, () => void call(labels)));
  return { client, servers, call, report };
}

const PR1 = { 'x-lane': 'pr-1' };

describe('a lane', () => {
  it('serves its own calls and no others, by the same name everywhere', async () => {
    const { client, servers, call, report } = await open(
      { base: {}, lane: { lane: 'pr-1' }, canary: {} },
      policyOf(
        { by: 'x-lane' },
        { routes: [{ name: 'gray', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }] },
      ),
    );
    const served: string[] = [];
    for (let made = 0; made < 20; made += 1)
      served.push(await call(), await call({ 'x-lane': 'pr-2' }), await call({ 'x-lane': '' }));
    expect(new Set(served)).toEqual(new Set(['base']));
    expect(servers['lane']?.calls).toBe(0);
    expect(await call(PR1)).toBe('lane');
    // Before the routes, which go on for whoever is in no lane here.
    expect(await call({ ...PR1, 'x-gray': 'canary' })).toBe('lane');
    expect(await call({ 'x-lane': 'pr-2', 'x-gray': 'canary' })).toBe('canary');
    const { decision, attempts } = await report(PR1);
    expect(decision).toMatchObject({ by: 'lane', route: 'lane', subset: 'lane pr-1', lane: 'pr-1' });
    expect(attempts).toMatchObject([{ subset: 'lane pr-1', tier: 0, instance: 'lane' }]);
    expect(client.decisions.at(-1)).toMatchObject({ by: 'lane', lane: 'pr-1' });
    const explained = client.explain('payments', { method: CHARGE, labels: PR1 });
    expect(explained.routing).toMatchObject({
      decision: { by: 'lane', lane: 'pr-1', chain: ['lane pr-1', 'stable'] },
      lane: { asked: 'pr-1', result: 'found' },
      routes: [{ name: 'gray', result: 'skipped' }],
    });
    expect(explained.tiers[0]).toMatchObject({
      subset: 'lane pr-1',
      endpoints: [{ instance: 'lane', heldOut: undefined }],
    });
    expect(client.explain('payments', { method: CHARGE, labels: { 'x-lane': 'pr-2' } }).routing.lane).toEqual({
      asked: 'pr-2',
      result: 'missing',
      reason: 'no instance is in lane pr-2 (x-lane); lanes there: pr-1; did you mean pr-1?',
    });
    expect(client.inspect().services[0]?.lanes).toEqual([
      { lane: 'pr-1', instances: 1, usable: 1, ends: undefined, isEnded: false },
    ]);
    expect(client.inspect().services[0]?.unassigned).toEqual([]);
  });

  it('fails over to its fallback, and strictly to nobody', async () => {
    const { client, servers, call, report } = await open(
      { base: {}, lane: { lane: 'pr-1' }, canary: {} },
      policyOf({ by: 'x-lane', fallback: 'canary' }),
    );
    expect(await call(PR1)).toBe('lane');
    expect(await call({ 'x-lane': 'pr-9' })).toBe('canary');
    servers['lane']?.kill();
    await expect.poll(() => call(PR1)).toBe('canary');
    expect((await report(PR1)).decision).toMatchObject({ lane: 'pr-1', subset: 'lane pr-1' });
    client.setPolicy('payments', policyOf({ by: 'x-lane', strict: true }));
    expect(await call(PR1)).toMatch(/lane pr-1.*fallback none/);
    expect(await call({ 'x-lane': 'pr-7' })).toBe(
      'payments: no instance is in lane pr-7 (x-lane); lanes there: pr-1; did you mean pr-1?',
    );
    expect(await call()).toBe('base');
  });

  it('sheds to its fallback by a breaker of its own, and fails on demand in tests', async () => {
    const { client, call } = await open({ base: {}, lane: { lane: 'pr-1' } }, policyOf({ by: 'x-lane' }));
    client.fail('lane pr-1', { code: 'INTERNAL' });
    for (let made = 0; made < 30; made += 1) await call(PR1);
    expect(client.inspect().services[0]?.breakers.map(({ key }) => key)).toContain('lane pr-1@dc1');
    expect(await call(PR1)).toBe('base');
    expect(() => client.fail('lane pr-1', { service: 'other' })).toThrow('service: other');
  });

  it('ends by itself: its calls go to the baseline, its instances get none', async () => {
    const ends = { 'pr-1': new Date(START.getTime() + HOUR_MS).toISOString(), 'pr-2': '2026-01-01T00:00:00Z' };
    const { client, call } = await open(
      { base: {}, lane: { lane: 'pr-1' } },
      policyOf({ by: 'x-lane', ends, fallback: 'canary', strict: false }),
    );
    expect(await call(PR1)).toBe('lane');
    // Ended, and nobody is in it: no lane, so not even its fallback.
    expect(await call({ 'x-lane': 'pr-2' })).toBe('base');
    await client.advance(HOUR_MS);
    expect(await call(PR1)).toBe('base');
    expect(client.explain('payments', { method: CHARGE, labels: PR1 }).routing.lane).toMatchObject({ result: 'ended' });
    expect(client.inspect().services[0]?.lanes).toMatchObject([
      { lane: 'pr-1', instances: 1, isEnded: true },
      { lane: 'pr-2', instances: 0, isEnded: true },
    ]);
  });

  it('yields to a force and to an override', async () => {
    const { client, call } = await open(
      { base: {}, lane: { lane: 'pr-1' }, other: { lane: 'pr-2' }, third: { lane: 'pr-3' } },
      policyOf({ by: 'x-lane' }),
    );
    expect(await call()).toBe('base');
    // Nobody has called these lanes before: they are not even connected.
    expect(await client.with({ force: { instance: 'other' } }, () => call(PR1))).toBe('other');
    expect(await client.with({ force: { instance: 'third', strict: false } }, () => call())).toBe('third');
    expect(client.explain('payments', { method: CHARGE, force: { instance: 'other' } }).tiers).toMatchObject([
      { subset: 'lane pr-2', endpoints: [{ instance: 'other' }] },
    ]);
    expect(await client.with({ force: { subset: 'stable' } }, () => call(PR1))).toBe('base');
    expect(client.decisions.at(-1)?.lane).toBeUndefined();
    expect(await client.with({ force: { datacenter: 'dc1' } }, () => call(PR1))).toBe('lane');
    const override = { to: 'stable', until: '2199-01-01T00:00:00Z' };
    client.setPolicy('payments', policyOf({ by: 'x-lane' }, { override }));
    expect(await call(PR1)).toBe('base');
    client.setPolicy(
      'payments',
      policyOf({ by: 'x-lane' }, { override: { datacenter: 'dc1', until: override.until } }),
    );
    expect(await call(PR1)).toBe('lane');
  });

  it.each([
    ['', {}],
    [' that failover leaves out', { locality: { failover: [] } }],
    [' beside an override', { override: { to: 'stable', until: '2199-01-01T00:00:00Z' } }],
    [' with several dimensions', { lanes: [{ by: 'x-lane' }, { by: 'x-region', meta: 'region' }] }],
  ])('is reached in another datacenter%s by a force that names its instance', async (_, more) => {
    for (const strict of [true, false]) {
      const policy = policyOf({ by: 'x-lane' }, more);
      const instances = { base: {}, far: { lane: 'pr-1' } };
      const { client, servers, call } = await open(instances, policy, { datacenters: ['dc1', 'dc2'] });
      expect(await call()).toBe('base');
      const force = { instance: 'far', strict };
      expect(client.explain('payments', { method: CHARGE, force }).tiers).toMatchObject([{ subset: 'lane pr-1' }]);
      expect(await client.with({ force }, () => call())).toBe('far');
      expect(await call()).toBe('base');
      expect(servers['far']?.calls).toBe(1);
    }
  });

  it('has several dimensions, the last of which is left out first', async () => {
    const { client, call } = await open(
      { base: {}, a: { lane: 'a' }, aeu: { lane: 'a', region: 'eu' }, eu: { region: 'eu' } },
      policyOf([{ by: 'x-lane' }, { by: 'x-region', meta: 'region' }]),
    );
    const rows: readonly (readonly [Meta, string])[] = [
      [{ 'x-lane': 'a', 'x-region': 'eu' }, 'aeu'],
      [{ 'x-lane': 'a' }, 'a'],
      [{ 'x-region': 'eu' }, 'eu'],
      [{ 'x-lane': 'a', 'x-region': 'us' }, 'a'],
      [{ 'x-lane': 'b', 'x-region': 'eu' }, 'base'],
      [{}, 'base'],
    ];
    for (const [labels, expected] of rows) expect([labels, await call(labels)]).toEqual([labels, expected]);
    expect(
      client
        .inspect()
        .services[0]?.lanes.map(({ lane }) => lane)
        .sort(),
    ).toEqual(['-, eu', 'a', 'a, eu']);
  });
});

describe('many lanes', () => {
  let server: PaymentsServer;
  beforeAll(async () => {
    server = await startPaymentsServer({ name: 'base' });
    return () => server.kill();
  });

  it('are connected when the first call goes to them, and stay connected when the policy changes', async () => {
    const address = '127.0.0.1';
    const lanes = Array.from({ length: 1_000 }, (_, at) => ({
      id: `l${at}`,
      address,
      port: 10_000 + at,
      meta: { lane: `pr-${at}` },
    }));
    const own = closing(await startPaymentsServer({ name: 'lane' }), (one) => one.kill());
    const client = closing(
      createTestClient({
        policy: { schema: 1, service: 'payments', lanes: { by: 'x-lane' } },
        instances: [
          { id: 'base', address, port: server.port },
          { id: 'own', address, port: own.port, meta: { lane: 'mine' } },
          ...lanes,
        ],
      }),
      (one) => one.close(),
    );
    const stub = closing(paymentsClient(client.target('payments'), client.clientOptions()), (one) => one.close());
    const connected = (): readonly string[] =>
      client
        .inspect()
        .services[0]?.endpoints.flatMap(({ instance, connections }) => (connections.length > 0 ? [instance] : [])) ??
      [];
    expect((await charge(stub)).servedBy).toBe('base');
    expect(connected()).toEqual(['base']);
    for (let made = 0; made < 50; made += 1) await charge(stub, client.metadata({ 'x-lane': `unheard-${made}` }));
    expect(connected()).toEqual(['base']);
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => charge(stub, client.metadata({ 'x-lane': 'mine' }))),
    );
    expect(new Set(replies.map(({ servedBy }) => servedBy))).toEqual(new Set(['lane']));
    expect([...connected()].sort()).toEqual(['base', 'own']);
    client.setPolicy('payments', { schema: 1, service: 'payments', lanes: { by: 'x-lane' }, timeoutMs: 9_000 });
    expect((await charge(stub, client.metadata({ 'x-lane': 'mine' }))).servedBy).toBe('lane');
    expect(own.sessions.opened).toBe(1);
    expect(client.inspect().services[0]?.lanes).toHaveLength(1_001);
  });
});
