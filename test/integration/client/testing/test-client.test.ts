import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { definePolicy, type Graylane, type PolicyDocument, PolicyError } from '../../../../src/index';
import {
  assertDecision,
  createTestClient,
  type StaticInstance,
  type TestClient,
  type TestClientOptions,
} from '../../../../src/testing';
import { GRAY, graySplit } from '../../../support/gray-policy';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer, tally } from '../../../support/payments';

const policy = definePolicy({
  ...GRAY,
  routes: [
    {
      name: 'half',
      split: graySplit(50),
    },
  ],
});

let stable: PaymentsServer;
let canary: PaymentsServer;
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  stable = await startPaymentsServer({ name: 's1', version: 'stable' });
  canary = await startPaymentsServer({ name: 'c1', version: 'canary' });
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  stable.kill();
  canary.kill();
});

function open(options: TestClientOptions = {}): TestClient {
  const graylane = createTestClient({ policy, instances: both(), ...options });
  closers.push(() => graylane.close());
  return graylane;
}

function both(): readonly StaticInstance[] {
  return [
    { address: stable.host, port: stable.port, tags: ['stable'] },
    { address: canary.host, port: canary.port, tags: ['canary'] },
  ];
}

/** Makes calls one after the other, so that draws and calls keep step. */
async function subsetsOf(graylane: TestClient, calls: number): Promise<string[]> {
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  for (let made = 0; made < calls; made += 1) await charge(client);
  return graylane.decisions.map((decision) => decision.subset);
}

describe('a test client', () => {
  it('makes real calls and tells what was decided of each', async () => {
    const graylane = open();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const { version } = await charge(client);
    expect(graylane.services).toEqual(['payments']);
    expect(graylane.decisions).toEqual([
      {
        service: 'payments',
        method: '/shop.v1.Payments/Charge',
        by: 'route',
        route: 'half',
        subset: version,
        sticky: false,
      },
    ]);
  });

  it('decides the same by the same seed, and otherwise by another', async () => {
    const [first, second, other] = await Promise.all([
      subsetsOf(open({ seed: 7 }), 60),
      subsetsOf(open({ seed: 7 }), 60),
      subsetsOf(open({ seed: 8 }), 60),
    ]);
    expect(second).toEqual(first);
    expect(other).not.toEqual(first);
    expect(new Set(first)).toEqual(new Set(['stable', 'canary']));
  });

  it('shares nothing with another Graylane client: neither policy, instances, decisions nor time', async () => {
    const one = open();
    const two = open();
    one.setPolicy('payments', { ...policy, routes: [{ name: 'all', to: 'canary' }] });
    one.setInstances('payments', [{ address: canary.host, port: canary.port, tags: ['canary'] }]);
    await one.advance(3_600_000);
    const client = paymentsClient(one.target('payments'), one.clientOptions());
    for (let made = 0; made < 5; made += 1) expect((await charge(client)).version).toBe('canary');
    expect(one.decisions).toHaveLength(5);
    expect(two.decisions).toHaveLength(0);
    expect(new Set(await subsetsOf(two, 40))).toEqual(new Set(['stable', 'canary']));
    expect(two.inspect().services[0]?.endpoints).toHaveLength(2);
  });

  it('refuses a bad policy and goes on with the one it has', async () => {
    const graylane = open({ policy: { ...policy, routes: [{ name: 'all', to: 'canary' }] } });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await charge(client);
    const bad = { ...policy, routes: [{ name: 'all', to: 'canray' }] } as PolicyDocument;
    expect(() => graylane.setPolicy('payments', bad)).toThrow(PolicyError);
    expect(() => graylane.setPolicy('payments', bad)).toThrow(/routes\[0\]\.to: .*canray/);
    expect((await charge(client)).version).toBe('canary');
    graylane.setPolicy('payments', { ...policy, routes: [] });
    expect((await charge(client)).version).toBe('stable');
  });

  it('refuses a bad policy when it is opened, with every problem', () => {
    const bad = { ...policy, default: 'nobody', routes: [{ name: 'all', to: 'canray' }] } as PolicyDocument;
    expect(() => createTestClient({ policy: bad })).toThrow(/default[\s\S]*routes\[0\]/);
  });

  it('sees an override end when time moves past it', async () => {
    const startsAt = new Date('2030-06-01T12:00:00Z');
    const override = { to: 'canary', until: '2030-06-01T12:10:00Z', by: 'ops@example', reason: 'drill' } as const;
    const graylane = open({ policy: { ...policy, routes: [], override }, startsAt });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    expect((await charge(client)).version).toBe('canary');
    await graylane.advance(599_000);
    expect((await charge(client)).version).toBe('canary');
    await graylane.advance(1_000);
    expect((await charge(client)).version).toBe('stable');
    expect(graylane.decisions.map((decision) => decision.by)).toEqual(['override', 'override', 'default']);
  });

  it('sees a new instance warm up when time moves', async () => {
    const slowly: PolicyDocument = {
      schema: 1,
      service: 'payments',
      balancing: { algorithm: 'round_robin', slowStartMs: 10_000 },
    };
    const [old, fresh] = both();
    const graylane = open({ policy: slowly, instances: old === undefined ? [] : [old] });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await charge(client);
    await graylane.advance(60_000);
    if (fresh !== undefined) graylane.setInstances('payments', old === undefined ? [] : [old, fresh]);
    const connections = (): readonly string[] =>
      graylane.inspect().services[0]?.endpoints.flatMap((endpoint) => endpoint.connections) ?? [];
    await expect.poll(connections, { interval: 5 }).toEqual(['ready', 'ready']);
    const served = (): Promise<Map<string, number>> =>
      tally(
        110,
        (reply) => reply.version,
        () => charge(client),
      );
    // A tenth of its weight: one call of eleven.
    expect((await served()).get('canary')).toBe(10);
    await graylane.advance(10_000);
    expect((await served()).get('canary')).toBe(55);
  });

  it('takes nothing from the environment', async () => {
    process.env['GRAYLANE_OVERRIDE'] = 'payments:canary';
    closers.push(() => delete process.env['GRAYLANE_OVERRIDE']);
    const graylane = open({ policy: { ...policy, routes: [] } });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    expect((await charge(client)).version).toBe('stable');
  });

  it('fails over by the order of its datacenters', async () => {
    const [near, far] = both();
    if (near === undefined || far === undefined) throw new Error('two servers are running');
    const graylane = open({
      policy: { schema: 1, service: 'payments' },
      datacenters: ['dc2', 'dc1'],
      instances: [
        { ...near, datacenter: 'dc1' },
        { ...far, datacenter: 'dc2' },
      ],
    });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    expect((await charge(client)).version).toBe('canary');
    graylane.setInstances('payments', [{ ...near, datacenter: 'dc1' }]);
    expect((await charge(client)).version).toBe('stable');
  });

  it('leaves no timers and no sockets behind', async () => {
    // A connection that a test before this one has dropped may still be closing.
    await expect.poll(() => resources()['TCPSocketWrap'] ?? 0, { interval: 10 }).toBe(0);
    const before = resources();
    const graylane = open({ policy: { ...policy, balancing: { slowStartMs: 60_000 } } });
    await subsetsOf(graylane, 3);
    expect(resources()).not.toEqual(before);
    await graylane.close();
    await graylane.close();
    await expect.poll(resources, { interval: 10 }).toEqual(before);
  });
});

/** What keeps this process alive, without what the test runner itself comes and goes with. */
function resources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) {
    if (/^(TCPSocketWrap|Timeout)$/.test(name)) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

describe('a test client of several services', () => {
  const orders = { ...policy, service: 'orders', routes: [{ name: 'all', to: 'canary' }] } as PolicyDocument;

  /** As code under test takes it: any client of Graylane will do. */
  const callAll = async (graylane: Graylane, service: string, calls: number): Promise<string[]> => {
    const client = paymentsClient(graylane.target(service), graylane.clientOptions());
    await graylane.ready(service);
    const answers: string[] = [];
    for (let made = 0; made < calls; made += 1) {
      answers.push(
        await charge(client).then(
          ({ version }) => version,
          () => 'failed',
        ),
      );
    }
    return answers;
  };
  const openBoth = (): TestClient => {
    const client = createTestClient({
      policies: { payments: { ...policy, routes: [] }, orders },
      instances: { payments: both(), orders: both(), ledger: both().slice(0, 1) },
    });
    closers.push(() => client.close());
    return client;
  };

  it('has instances, policy and decisions of each', async () => {
    const graylane = openBoth();
    expect(graylane.services).toEqual(['payments', 'orders', 'ledger']);
    expect(await callAll(graylane, 'payments', 2)).toEqual(['stable', 'stable']);
    expect(await callAll(graylane, 'orders', 2)).toEqual(['canary', 'canary']);
    expect(await callAll(graylane, 'ledger', 1)).toEqual(['stable']);
    expect(graylane.decisions.map(({ service, subset }) => `${service} ${subset}`)).toEqual([
      'payments stable',
      'payments stable',
      'orders canary',
      'orders canary',
      'ledger *',
    ]);
    graylane.setPolicy('orders', { ...orders, routes: [] });
    expect(await callAll(graylane, 'orders', 1)).toEqual(['stable']);
  });

  it('lets the subset of one fail, and of no other', async () => {
    const graylane = openBoth();
    expect(() => graylane.fail('stable')).toThrow(
      'service: missing (expected: one of payments, orders, which have stable)',
    );
    expect(() => graylane.fail('beta')).toThrow('subset: beta (expected: stable, canary, *)');
    expect(() => graylane.fail('stable', { service: 'order' })).toThrow(
      'service: order (expected: payments, orders, ledger)',
    );
    const end = graylane.fail('stable', { service: 'payments' });
    expect(await callAll(graylane, 'payments', 1)).toEqual(['failed']);
    expect(await callAll(graylane, 'ledger', 1)).toEqual(['stable']);
    graylane.setPolicy('orders', { ...orders, routes: [] });
    expect(await callAll(graylane, 'orders', 1)).toEqual(['stable']);
    end();
    expect(await callAll(graylane, 'payments', 1)).toEqual(['stable']);
  });

  it('is asked with the name of the service', async () => {
    const graylane = openBoth();
    await graylane.ready('orders');
    assertDecision(graylane, { service: 'orders' }, { subset: 'canary' });
    expect(() => assertDecision(graylane, {}, { subset: 'canary' })).toThrow(
      'service: missing (expected: payments, orders, ledger)',
    );
  });
});
