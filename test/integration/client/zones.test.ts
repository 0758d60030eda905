import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions, type PolicyDocument } from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { startMetering } from '../../support/metering';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { maxToMean, repeat } from '../../unit/client/balancer/zones/zoned-fleet';

const opened = closeAfterEach();
const ZONES = repeat({ a: 5, b: 3, c: 2 });
const POLICY: PolicyDocument = {
  schema: 1,
  service: 'payments',
  locality: { zones: 'prefer' },
  balancing: { algorithm: 'round_robin' },
  retry: {},
};

async function servers(): Promise<readonly PaymentsServer[]> {
  return Promise.all(
    ZONES.map(async (zone, index) =>
      opened(await startPaymentsServer({ name: `${zone}${index}` }), (one) => one.kill()),
    ),
  );
}

interface World {
  readonly graylane: Graylane;
  /** Of so many calls, where each was answered: `a3` is in zone a. */
  call(count: number): Promise<readonly string[]>;
}

async function client(started: readonly PaymentsServer[], options: GraylaneOptions): Promise<World> {
  const instances = started.map(({ name, port }) => ({ id: name, address: '127.0.0.1', port, zone: name.slice(0, 1) }));
  const given = { instances: { payments: instances }, policies: { payments: POLICY }, ...options };
  const graylane = opened(createGraylane(given), (one) => one.close());
  const stub = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
  await graylane.ready('payments');
  const call = async (count: number): Promise<readonly string[]> => {
    const servedBy: string[] = [];
    for (let begun = 0; begun < count; begun += 10) {
      const replies = await Promise.all(Array.from({ length: 10 }, () => charge(stub)));
      servedBy.push(...replies.map((reply) => reply.servedBy));
    }
    return servedBy;
  };
  await call(10);
  await until(
    () => graylane.inspect().services[0]?.endpoints.every(({ connections }) => connections.includes('ready')) === true,
  );
  return { graylane, call };
}

async function until(isTrue: () => boolean): Promise<void> {
  const limit = performance.now() + 10_000;
  while (!isTrue()) {
    if (performance.now() > limit) expect.fail('it did not come about');
    await pause(5);
  }
}

const crossingOf = (zone: string, servedBy: readonly string[]): number =>
  servedBy.filter((name) => !name.startsWith(zone)).length / servedBy.length;

describe('zones with 5, 3 and 2 instances, a client in each', () => {
  it('load all instances alike, and tell what crosses', async () => {
    const started = await servers();
    const metering = startMetering();
    const telemetry = { meterProvider: metering.provider };
    const worlds = await Promise.all(['a', 'b', 'c'].map((zone) => client(started, { zone, telemetry })));
    const counts = new Map(started.map(({ name }) => [name, 0]));
    const crossing: number[] = [];
    const before = await metering.collect();
    for (const [index, world] of worlds.entries()) {
      const servedBy = await world.call(600);
      crossing.push(crossingOf('abc'[index] as string, servedBy));
      for (const name of servedBy) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(maxToMean([...counts.values()])).toBeLessThan(1.2);
    // 0, 0.1 and 0.4, and half, seven and eight tenths without the preference; on a busy machine endpoints are suspect now and then.
    expect(crossing[0]).toBeLessThan(0.15);
    expect(Math.abs((crossing[1] as number) - 0.1)).toBeLessThan(0.15);
    expect(Math.abs((crossing[2] as number) - 0.4)).toBeLessThan(0.15);
    const collected = await metering.collect();
    const crossed = (labels: object): number => {
      const of = { 'graylane.service': 'payments', ...labels };
      return collected.sum('graylane.zone.picks', of) - before.sum('graylane.zone.picks', of);
    };
    expect(crossed({ 'graylane.zone.crossing': 'other' })).toBe(
      Math.round(crossing.reduce((sum, each) => sum + each * 600, 0)),
    );
    expect(crossed({})).toBe(1_800);
    await until(
      () => worlds[2]?.graylane.inspect().services[0]?.endpoints.every(({ isSuspect }) => !isSuspect) === true,
    );
    await until(() => Math.abs((worlds[2]?.graylane.inspect().services[0]?.zones[0]?.crossing ?? 0) - 0.4) < 1e-9);
    const [inspection] = worlds[2]?.graylane.inspect().services ?? [];
    expect(inspection?.clientZone).toEqual({ zone: 'c', from: 'option', reason: undefined });
    expect(inspection?.zones).toEqual([
      {
        subset: '*',
        datacenter: 'local',
        own: 'c',
        crossing: expect.closeTo(0.4, 9),
        zones: [
          { zone: 'c', capacity: 2, withheld: 0, share: expect.closeTo(0.6, 9) },
          { zone: 'a', capacity: 5, withheld: 0, share: expect.closeTo(0.4, 9) },
          { zone: 'b', capacity: 3, withheld: 0, share: 0 },
        ],
      },
    ]);
    const explained = worlds[2]?.graylane.explain('payments', { method: '/shop.v1.Payments/Charge' });
    expect(explained?.tiers[0]?.zones).toEqual(inspection?.zones[0]);
  });

  it('lose no call when one dies, and leave no call in it', async () => {
    const started = await servers();
    const { graylane, call } = await client(started, { zone: 'c' });
    await Promise.all(started.filter(({ name }) => name.startsWith('c')).map((server) => server.stop()));
    expect(await call(300)).toHaveLength(300);
    await until(() => graylane.inspect().services[0]?.zones[0]?.crossing === 1);
    const names = new Map<string, number>();
    for (const name of await call(1_000)) names.set(name, (names.get(name) ?? 0) + 1);
    expect([...names.keys()].filter((name) => name.startsWith('c'))).toEqual([]);
    expect(names.size).toBe(8);
  });
});

describe('the zone of the client', () => {
  it('comes from GRAYLANE_ZONE, and the option beats it', async () => {
    vi.stubEnv('GRAYLANE_ZONE', 'b');
    try {
      const started = await servers();
      const { graylane } = await client(started, {});
      expect(graylane.inspect().services[0]?.clientZone).toEqual({ zone: 'b', from: 'environment', reason: undefined });
      const told = await client(started, { zone: 'a' });
      expect(told.graylane.inspect().services[0]?.clientZone.zone).toBe('a');
      vi.stubEnv('GRAYLANE_ZONE', 'b\u0007');
      expect(() => createGraylane({})).toThrow('GRAYLANE_ZONE: "b\\u0007" (expected: 1..256 characters');
      expect(() => createGraylane({ zone: '' })).toThrow('zone: "" (expected: 1..256 characters');
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('is not known: calls go to all zones alike, and that is told once', async () => {
    const told: string[] = [];
    const logger = { debug() {}, info() {}, error() {}, warn: (message: string) => void told.push(message) };
    const { graylane, call } = await client(await servers(), { logger });
    expect(new Set((await call(300)).map((name) => name.slice(0, 1)))).toEqual(new Set(['a', 'b', 'c']));
    expect(graylane.inspect().services[0]).toMatchObject({
      zones: [],
      clientZone: { zone: undefined, reason: expect.stringContaining('no Consul agent to ask') },
    });
    expect(told.filter((message) => message.includes('the zone of this client is not known'))).toHaveLength(1);
  });

  it('is where users under ring_hash stay with their owner: zones play no part', async () => {
    const balancing = { algorithm: 'ring_hash', hashBy: 'x-user' } as const;
    const { graylane } = await client(await servers(), {
      zone: 'c',
      policies: { payments: { ...POLICY, balancing } },
    });
    const [service] = graylane.inspect().services;
    expect(service?.zones).toEqual([]);
    expect(service?.policy.warnings.map(({ path }) => path)).toEqual(['locality.zones']);
  });
});

describe('the node meta of the agent', () => {
  let consul: ConsulCluster;
  let server: PaymentsServer;

  beforeAll(async () => {
    consul = await startConsul({ acl: true, config: { node_meta: { zone: 'b' } } });
    server = await startPaymentsServer();
    const { host, port } = server;
    // One bears its own zone, the other that of its node.
    await consul.dc('dc1').register({ name: 'payments', id: 'p-a', address: host, port, meta: { zone: 'a' } });
    await consul.dc('dc1').register({ name: 'payments', id: 'p-b', address: '127.0.0.2', port });
    await consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(POLICY));
  });

  afterAll(async () => {
    server.kill();
    await consul.stop();
  });

  const READER =
    'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" } key_prefix "" { policy = "read" }';

  async function open(rules: string): Promise<Graylane> {
    const { secret } = await consul.dc('dc1').createToken(rules);
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const graylane = createGraylane({ consul: { address: consul.dc('dc1').address, token: secret }, logger });
    opened(graylane, (one) => one.close());
    await graylane.ready('payments');
    return graylane;
  }

  it('names it, where the token may read the agent', async () => {
    const graylane = await open(`${READER} agent_prefix "" { policy = "read" }`);
    await until(() => graylane.inspect().services[0]?.clientZone.zone !== undefined);
    const [service] = graylane.inspect().services;
    expect(service?.clientZone).toEqual({ zone: 'b', from: 'agent', reason: undefined });
    expect(service?.endpoints.map(({ instance, zone }) => [instance, zone]).sort()).toEqual([
      ['p-a', 'a'],
      ['p-b', 'b'],
    ]);
  });

  it('stays unknown to a mere reader, which says what it lacks', async () => {
    const graylane = await open(READER);
    await until(() => graylane.inspect().services[0]?.clientZone.reason?.includes('agent:read') === true);
    expect(graylane.inspect().services[0]?.clientZone.zone).toBeUndefined();
  });
});
