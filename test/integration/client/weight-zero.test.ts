import { describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type PolicyDocument, type StaticInstance } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { type ConsulDatacenter, startConsul } from '../../support/consul/start';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';
import { untilConnected } from '../../support/until-ready';

const opened = closeAfterEach();
const CALLS = 120;

interface World {
  readonly graylane: Graylane;
  readonly client: PaymentsClient;
  readonly servers: readonly PaymentsServer[];
  /** Of the instances in their order. */
  weigh(...weights: readonly number[]): Promise<void>;
  /** Who answers so many calls. */
  answering(count?: number): Promise<ReadonlySet<string>>;
}

async function open(
  policy: Omit<PolicyDocument, 'schema' | 'service'>,
  each: (at: number) => Partial<StaticInstance> = () => ({}),
): Promise<World> {
  const servers = await Promise.all(
    [0, 1, 2, 3].map(async (at) => opened(await startPaymentsServer({ name: `s${at}` }), (one) => one.kill())),
  );
  const listed = (weights: readonly number[]): StaticInstance[] =>
    servers.map(({ name, host, port }, at) => ({
      id: name,
      address: host,
      port,
      weight: weights[at] ?? 1,
      ...each(at),
    }));
  const graylane = opened(
    createGraylane({
      zone: 'a',
      instances: { payments: listed([]) },
      policies: { payments: { schema: 1, service: 'payments', ...policy } },
    }),
    (one) => one.close(),
  );
  const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
  await graylane.ready('payments');
  return {
    graylane,
    client,
    servers,
    async weigh(...weights) {
      const before = graylane.inspect().services[0]?.snapshot ?? 0;
      graylane.setInstances('payments', listed(weights));
      await expect.poll(() => graylane.inspect().services[0]?.snapshot ?? 0).toBeGreaterThan(before);
    },
    async answering(count = CALLS) {
      const replies = Array.from({ length: count }, (_, n) => charge(client, { 'x-user-id': `u${n}` }));
      return new Set((await Promise.all(replies)).map(({ servedBy }) => servedBy));
    },
  };
}

describe('weight 0: no new calls', () => {
  it.each<[string, Omit<PolicyDocument, 'schema' | 'service'>]>([
    ['peak_ewma', {}],
    ['least_request', { balancing: { algorithm: 'least_request' } }],
    ['round_robin', { balancing: { algorithm: 'round_robin' } }],
    ['random', { balancing: { algorithm: 'random' } }],
    ['ring_hash', { balancing: { algorithm: 'ring_hash', hashBy: 'x-user-id' } }],
    ['slow start', { balancing: { slowStartMs: 5_000 } }],
    ['zones', { locality: { zones: 'prefer' } }],
  ])('%s: its open stream ends in peace, its connection stays, and it is back at once', async (_name, policy) => {
    const world = await open(policy, (at) => ({ zone: at < 2 ? 'a' : 'b' }));
    await untilConnected(world.graylane, 4);
    const [first] = world.servers as [PaymentsServer];
    // Until a stream is open at the first one.
    const streams = Array.from({ length: 40 }, () => {
      const stream = world.client.watch({ count: 20, intervalMs: 40 });
      const served: string[] = [];
      const end = new Promise<string>((resolve, reject) => {
        stream.on('data', ({ servedBy }) => served.push(servedBy));
        stream.on('error', reject);
        stream.on('end', () => resolve(served.length === 20 ? (served[0] ?? '') : `${served.length} events`));
      });
      return { served, end };
    });
    await expect.poll(() => streams.some(({ served }) => served[0] === 's0')).toBe(true);

    await world.weigh(0, 1, 1, 1);
    expect(await world.answering()).not.toContain('s0');
    await world.weigh(0, 0, 0, 1);
    expect(await world.answering()).toEqual(new Set(['s3']));
    const ends = new Set(await Promise.all(streams.map(({ end }) => end)));
    expect([...ends].sort()).toEqual(expect.arrayContaining(['s0']));
    expect([...ends].every((end) => /^s\d$/.test(end))).toBe(true);
    expect(world.graylane.inspect().services[0]).toMatchObject({ datacenters: [{ draining: 3, critical: 0 }] });
    // Nobody else is left: those of weight 0 serve.
    await world.weigh(0, 0, 0, 0);
    expect((await world.answering()).size).toBeGreaterThan(1);
    await world.weigh(1, 0, 0, 0);
    expect(await world.answering()).toEqual(new Set(['s0']));
    expect(first.sessions).toEqual({ opened: 1, open: 1 });
  });

  it('takes no place in a client that uses some of the instances, and keeps the connection that it has', async () => {
    const world = await open({ balancing: { subsetSize: 2 } });
    await untilConnected(world.graylane, 2);
    const before = [...(await world.answering())].sort();
    expect(before).toHaveLength(2);
    const drained = Number(before[0]?.slice(1));
    await world.weigh(...[0, 1, 2, 3].map((at) => (at === drained ? 0 : 1)));
    await expect.poll(async () => (await world.answering()).size).toBe(2);
    expect(await world.answering()).not.toContain(before[0]);
    expect(world.servers[drained]?.sessions).toEqual({ opened: 1, open: 1 });
    await world.weigh(0, 0, 0, 0);
    expect((await world.answering()).size).toBeGreaterThan(0);
  });

  it('of a whole subset: its fallback takes the calls, and its instances do where that has nobody', async () => {
    const subsets = { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } };
    const policy = { subsets, default: 'canary' } as const;
    const world = await open(policy, (at) => ({ tags: [at < 2 ? 'stable' : 'canary'] }));
    expect(await world.answering()).toEqual(new Set(['s2', 's3']));
    await world.weigh(1, 1, 0, 0);
    expect(await world.answering()).toEqual(new Set(['s0', 's1']));
    await world.weigh(0, 0, 0, 0);
    expect([...(await world.answering())].sort()).toEqual(['s2', 's3']);
  });

  it('an ill tier gives nothing to those that drain while somebody in it is well', async () => {
    const world = await open({ balancing: { algorithm: 'round_robin' }, retry: { maxAttempts: 3 } });
    await untilConnected(world.graylane, 4);
    await world.weigh(1, 1, 1, 0);
    world.servers[0]?.kill();
    world.servers[1]?.kill();
    await untilConnected(world.graylane, 2);
    expect(await world.answering(300)).toEqual(new Set(['s2']));
    world.servers[2]?.kill();
    await untilConnected(world.graylane, 1);
    expect(await world.answering()).toEqual(new Set(['s3']));
  });
});

describe('weight 0 in Consul', () => {
  async function start(): Promise<ConsulDatacenter> {
    return opened(await startConsul(), (each) => each.stop()).dc('dc1');
  }

  it('comes from the meta key weight, or from a Warning of 0: Consul makes 1 of a Passing of 0, or refuses it', async () => {
    const dc1 = await start();
    const servers = await Promise.all(
      [0, 1, 2].map(async (at) => opened(await startPaymentsServer({ name: `s${at}` }), (one) => one.kill())),
    );
    const [s0, s1, s2] = servers as [PaymentsServer, PaymentsServer, PaymentsServer];
    const add = (id: string, { host: address, port }: PaymentsServer, more: object) =>
      dc1.register({ name: 'payments', id, address, port, ...more });
    await add('s0', s0, { meta: { weight: '0' } });
    await add('s2', s2, { status: 'warning', weights: { passing: 5, warning: 0 } });
    await expect(add('s1', s1, { weights: { passing: 0, warning: 0 } })).rejects.toThrow(
      /400 .*Passing must be greater than 0/,
    );
    const Service = { ID: 's1', Service: 'payments', Address: s1.host, Port: s1.port };
    const Weights = { Passing: 0, Warning: 0 };
    await dc1.request('PUT', '/v1/catalog/register', {
      Node: 'n1',
      Address: s1.host,
      Service: { ...Service, Weights },
    });
    const graylane = opened(createGraylane({ consul: { address: dc1.address } }), (one) => one.close());
    const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
    await graylane.ready('payments');
    await expect
      .poll(() => graylane.inspect().services[0]?.datacenters)
      .toMatchObject([{ instances: 3, draining: 2, rejected: 0, freshness: 'fresh' }]);
    const replies = await Promise.all(Array.from({ length: 50 }, () => charge(client)));
    expect(new Set(replies.map(({ servedBy }) => servedBy))).toEqual(new Set(['s1']));
  });
});
