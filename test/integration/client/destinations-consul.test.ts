import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions, type PolicyDocument } from '../../../src/index';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';

/** Each registered in its datacenter under its service, with its tag. */
const REGISTERED = [
  ['payments', 'stable', 'dc1'],
  ['payments', 'stable', 'dc2'],
  ['payments-v2', 'stable', 'dc1'],
  ['payments-v2', 'canary', 'dc1'],
  ['payments-v2', 'stable', 'dc2'],
] as const;
const PAYMENTS: PolicyDocument = {
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] } },
  default: 'stable',
};
const NEXT: PolicyDocument = {
  schema: 1,
  service: 'payments-v2',
  subsets: { stable: { tags: ['stable'] }, canary: { filter: '"canary" in Service.Tags', fallback: 'stable' } },
  default: 'stable',
};
let consul: ConsulCluster;
let directory: string;
const servers = new Map<string, PaymentsServer>();
const graylanes: Graylane[] = [];

beforeAll(async () => {
  // Not `dev`: its state must outlive a restart.
  consul = await startConsul({ datacenters: ['dc1', 'dc2'], mode: 'server' });
  directory = await mkdtemp(join(tmpdir(), 'graylane-destinations-'));
  for (const [service, tag, datacenter] of REGISTERED) {
    const name = `${service}/${tag}@${datacenter}`;
    const server = await startPaymentsServer({ name, version: tag, datacenter });
    servers.set(name, server);
    await register(service, tag, datacenter);
  }
});

afterEach(async () => {
  for (const graylane of graylanes.splice(0)) await graylane.close();
});

afterAll(async () => {
  for (const server of servers.values()) server.kill();
  await consul.stop();
  await rm(directory, { recursive: true });
});

async function register(service: string, tag: string, datacenter: string): Promise<void> {
  const { host: address, port } = servers.get(`${service}/${tag}@${datacenter}`) as PaymentsServer;
  const id = `${service}-${tag}`;
  await consul.dc(datacenter).register({ name: service, id, address, port, tags: [tag] });
}

async function apply(...documents: readonly PolicyDocument[]): Promise<void> {
  for (const document of documents) {
    await consul.dc('dc1').putKv(`graylane/policies/${document.service}`, JSON.stringify(document));
  }
}

function open(options: GraylaneOptions = {}): Graylane {
  const graylane = createGraylane({
    consul: { address: consul.dc('dc1').address },
    protection: false,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    stateDirectory: false,
    ...options,
  });
  graylanes.push(graylane);
  return graylane;
}

async function servedBy(graylane: Graylane, calls: number, labels: Record<string, string> = {}): Promise<string[]> {
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  const replies = await Promise.all(Array.from({ length: calls }, () => charge(client, labels)));
  client.close();
  return replies.map((reply) => reply.servedBy);
}

it('splits 90 to 10, follows the other policy, and goes by its fallback when its canary leaves', async () => {
  const split = [
    { to: 'stable', weight: 90 },
    { to: { service: 'payments-v2' }, weight: 10 },
  ];
  const gray = {
    name: 'gray',
    match: { labels: { 'x-gray': 'canary' } },
    to: { service: 'payments-v2', subset: 'canary' },
  };
  await apply({ ...PAYMENTS, routes: [gray, { name: 'all', split }] }, NEXT);
  const graylane = open();
  const found = await servedBy(graylane, 300);
  expect([...new Set(found)].sort()).toEqual(['payments-v2/stable@dc1', 'payments/stable@dc1']);
  const moved = found.filter((each) => each === 'payments-v2/stable@dc1').length;
  // Seven standard deviations.
  expect(Math.abs(moved - 30)).toBeLessThan(37);
  expect(new Set(await servedBy(graylane, 20, { 'x-gray': 'canary' }))).toEqual(new Set(['payments-v2/canary@dc1']));
  // Hot: another default, without a change of the policy of payments.
  await apply({ ...NEXT, default: 'canary' });
  await expect.poll(async () => new Set(await servedBy(graylane, 60))).toContain('payments-v2/canary@dc1');
  await apply(NEXT);
  await consul.dc('dc1').request('PUT', '/v1/agent/service/deregister/payments-v2-canary');
  await expect
    .poll(async () => new Set(await servedBy(graylane, 5, { 'x-gray': 'canary' })), { timeout: 10_000 })
    .toEqual(new Set(['payments-v2/stable@dc1']));
  await register('payments-v2', 'canary', 'dc1');
  const held = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await charge(held);
  const [payments] = graylane.inspect().services;
  expect(payments?.policy.others).toMatchObject([{ service: 'payments-v2', origin: 'kv', failure: undefined }]);
  expect(payments?.lookups.map(({ service, datacenter }) => [service, datacenter])).toEqual([['payments-v2', 'dc1']]);
  held.close();
});

it.each([
  { to: { datacenter: 'dc2' }, served: 'payments/stable@dc2' },
  { to: { service: 'payments-v2', datacenter: 'dc2' }, served: 'payments-v2/stable@dc2' },
])('pins calls to $to for a client that looks in its own datacenter alone', async ({ to, served }) => {
  await apply({ ...PAYMENTS, routes: [{ name: 'gray', match: { labels: { 'x-gray': 'yes' } }, to }] }, NEXT);
  const graylane = open();
  expect(new Set(await servedBy(graylane, 10, { 'x-gray': 'yes' }))).toEqual(new Set([served]));
  expect(new Set(await servedBy(graylane, 10))).toEqual(new Set(['payments/stable@dc1']));
});

it('sends calls on to the other service when all own instances leave', async () => {
  await apply({ ...PAYMENTS, subsets: { stable: { tags: ['stable'], fallback: { service: 'payments-v2' } } } }, NEXT);
  const graylane = open();
  expect(new Set(await servedBy(graylane, 10))).toEqual(new Set(['payments/stable@dc1']));
  await consul.dc('dc1').request('PUT', '/v1/agent/service/deregister/payments-stable');
  try {
    await expect
      .poll(async () => new Set(await servedBy(graylane, 5)), { timeout: 10_000 })
      .toEqual(new Set(['payments-v2/stable@dc1']));
  } finally {
    await register('payments', 'stable', 'dc1');
  }
});

it('starts while Consul is down, with the policy and the instances of the other service as they were', async () => {
  const to = { service: 'payments-v2', subset: 'canary' };
  await apply({ ...PAYMENTS, routes: [{ name: 'all', to }] }, NEXT);
  const first = open({ stateDirectory: directory });
  await expect.poll(async () => new Set(await servedBy(first, 5))).toEqual(new Set(['payments-v2/canary@dc1']));
  await first.close();
  await consul.dc('dc1').kill();
  try {
    const graylane = open({ stateDirectory: directory });
    expect(new Set(await servedBy(graylane, 5))).toEqual(new Set(['payments-v2/canary@dc1']));
  } finally {
    await consul.dc('dc1').restart();
  }
});
