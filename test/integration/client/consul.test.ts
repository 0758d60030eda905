import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions } from '../../../src/index';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { GRAY_WITH_FALLBACK } from '../../support/gray-policy';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer, tally } from '../../support/payments';

let consul: ConsulCluster;
const servers = new Map<string, PaymentsServer>();
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  consul = await startConsul({ datacenters: ['dc1', 'dc2'] });
  for (const datacenter of ['dc1', 'dc2']) {
    for (const version of ['stable', 'canary']) {
      const name = `${version}-${datacenter}`;
      const server = await startPaymentsServer({ name, version, datacenter });
      servers.set(name, server);
      await register(server);
    }
  }
});

afterAll(async () => {
  for (const server of servers.values()) server.kill();
  await consul.stop();
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function register(server: PaymentsServer): Promise<void> {
  const { name, host, port, version, datacenter } = server;
  await consul.dc(datacenter).register({ name: 'payments', id: name, address: host, port, tags: [version] });
}

function policy(weight: number): object {
  return {
    ...GRAY_WITH_FALLBACK,
    routes: [
      { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
      {
        name: 'everyone',
        split: [
          { to: 'stable', weight: 100 - weight },
          { to: 'canary', weight },
        ],
      },
    ],
  };
}

function open(options: GraylaneOptions = {}): Graylane {
  const graylane = createGraylane({
    consul: { address: consul.dc('dc1').address },
    datacenters: ['dc1', 'dc2'],
    ...options,
  });
  closers.push(() => graylane.close());
  return graylane;
}

describe('a Graylane client over two Consul datacenters', () => {
  it('sends calls where the policy in KV says, and follows it while calls run', async () => {
    await consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(policy(0)));
    const graylane = open();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments');
    const served = await tally(
      200,
      (reply) => `${reply.version}-${reply.datacenter}`,
      () => charge(client),
    );
    expect(Object.fromEntries(served)).toEqual({ 'stable-dc1': 200 });
    const gray = await tally(
      50,
      (reply) => `${reply.version}-${reply.datacenter}`,
      () => charge(client, { 'x-gray': 'canary' }),
    );
    expect(Object.fromEntries(gray)).toEqual({ 'canary-dc1': 50 });

    await consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(policy(100)));
    await expect.poll(async () => (await charge(client)).version, { interval: 5 }).toBe('canary');
  });

  it('goes to the other datacenter when the local instances are critical, before it falls back to another subset', async () => {
    await consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(policy(0)));
    const graylane = open();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments');
    await consul.dc('dc1').setStatus('canary-dc1', 'critical');
    await expect
      .poll(async () => (await charge(client, { 'x-gray': 'canary' })).servedBy, { interval: 5 })
      .toBe('canary-dc2');
    await consul.dc('dc2').setStatus('canary-dc2', 'critical');
    await expect
      .poll(async () => (await charge(client, { 'x-gray': 'canary' })).servedBy, { interval: 5 })
      .toBe('stable-dc1');
    await consul.dc('dc1').setStatus('canary-dc1', 'passing');
    await consul.dc('dc2').setStatus('canary-dc2', 'passing');
    await expect
      .poll(async () => (await charge(client, { 'x-gray': 'canary' })).servedBy, { interval: 5, timeout: 10_000 })
      .toBe('canary-dc1');
  });

  it('keeps the running policy when a bad one is pushed, and says what is wrong with it', async () => {
    await consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(policy(0)));
    const graylane = open({ logger: { debug() {}, info() {}, warn() {}, error() {} } });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments');
    const before = graylane.inspect().services[0]?.policy.revision;
    await consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(policy(-1)));
    await expect
      .poll(() => graylane.inspect().services[0]?.policy.rejected?.problems[0]?.message)
      .toMatch(/weight: -1/);
    expect(graylane.inspect().services[0]?.policy.revision).toBe(before);
    expect((await charge(client)).version).toBe('stable');
  });
});
