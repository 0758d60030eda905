import type { ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';

/** Consul 1.8 has no `is empty` for text; the grammar lets it pass. */
const REFUSED = 'Service.Meta.lane is empty';
const closing = closeAfterEach();
let consul: ConsulCluster;
let server: PaymentsServer;
let told: string[];

beforeAll(async () => {
  consul = await startConsul();
  server = await startPaymentsServer({ name: 'one' });
  const { host: address, port } = server;
  await consul.dc('dc1').register({ name: 'payments', id: 'one', address, port, tags: ['stable'] });
});
afterAll(async () => {
  server.kill();
  await consul.stop();
});
beforeEach(() => {
  told = [];
});

function policyOf(filter: string): PolicyDocument {
  return {
    schema: 1,
    service: 'payments',
    subsets: { stable: { tags: ['stable'] }, lane: { filter }, spare: { filter, fallback: 'stable' } },
    default: 'stable',
    routes: [
      { name: 'lane', match: { labels: { 'x-lane': 'yes' } }, to: 'lane' },
      { name: 'spare', match: { labels: { 'x-lane': 'spare' } }, to: 'spare' },
    ],
  };
}

function open(): Graylane {
  const note = (message: string, fields?: object): void => void told.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { debug() {}, info() {}, warn: note, error: note };
  const options = { consul: { address: consul.dc('dc1').address }, logger, stateDirectory: false } as const;
  return closing(createGraylane(options), (opened) => opened.close());
}

async function write(filter: string): Promise<void> {
  await consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(policyOf(filter)));
}

describe('a filter that Consul refuses', () => {
  it('leaves its subset empty and named in a new process; every other call is answered', async () => {
    await write(REFUSED);
    const graylane = open();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    expect((await charge(client)).servedBy).toBe('one');
    expect((await charge(client, { 'x-lane': 'spare' })).servedBy).toBe('one');
    const failed = await charge(client, { 'x-lane': 'yes' }).catch((error: ServiceError) => error);
    expect(String((failed as ServiceError).details)).toMatch(
      /payments\/lane: 0 instances in dc1: its filter is refused by Consul \(HTTP 500: .*Is Empty.*\); fallback none/,
    );
    const { shortfalls } = graylane.inspect().services[0]?.policy ?? {};
    expect(shortfalls?.map(({ path }) => path)).toEqual(['subsets.lane.filter', 'subsets.spare.filter']);
    expect(shortfalls?.[0]?.message).toContain('Consul refuses it in dc1, so the subset is empty there');
    expect(told.filter((line) => line.includes('subsets.lane.filter'))).toHaveLength(1);
  });

  it('is put right while the process runs, and may come while it runs', async () => {
    await write('"stable" in Service.Tags');
    const graylane = open();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const inLane = () => charge(client, { 'x-lane': 'yes' }).then(({ servedBy }) => servedBy, String);
    expect(await inLane()).toBe('one');
    await write(REFUSED);
    await expect.poll(inLane).toContain('its filter is refused by Consul');
    expect((await charge(client)).servedBy).toBe('one');
    await write('"stable" in Service.Tags');
    await expect.poll(inLane).toBe('one');
    expect(graylane.inspect().services[0]?.policy.shortfalls).toEqual([]);
  });
});
