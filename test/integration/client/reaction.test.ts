import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import { pause } from '../../support/closers';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { printFigure } from '../../support/figure';
import { type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { startTraffic } from './traffic';

const FLIPS = 50;
/** Fits in the time that the flips take; of fewer, one stall of the machine would be the whole 99th percentile. */
const POLICY_CHANGES = 100;
const APART_MS = 400;

let consul: ConsulCluster;
let graylane: Graylane;
const servers: PaymentsServer[] = [];

beforeAll(async () => {
  consul = await startConsul({ datacenters: ['dc1', 'dc2'] });
  graylane = createGraylane({
    consul: { address: consul.dc('dc1').address },
    datacenters: ['dc1', 'dc2'],
    policies: { 'near-payments': evenly('near-payments'), 'far-payments': evenly('far-payments') },
  });
});

afterAll(async () => {
  await graylane.close();
  for (const server of servers) server.kill();
  await consul.stop();
});

/** Every endpoint in turn, so that a new one is picked at the next call or the one after it. */
function evenly(service: string): PolicyDocument {
  return { schema: 1, service, balancing: { algorithm: 'round_robin' } };
}

async function serve(
  service: string,
  name: string,
  datacenter: string,
  tags: readonly string[],
): Promise<() => Promise<void>> {
  const server = await startPaymentsServer({ name, version: tags[0] ?? 'stable', datacenter });
  servers.push(server);
  return () =>
    consul.dc(datacenter).register({ name: service, id: name, address: server.host, port: server.port, tags });
}

async function policyChanges(): Promise<number[]> {
  const document = (to: string): string =>
    JSON.stringify({
      schema: 1,
      service: 'kv-payments',
      subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
      default: to,
    });
  await (await serve('kv-payments', 'kv-stable', 'dc1', ['stable']))();
  await (await serve('kv-payments', 'kv-canary', 'dc1', ['canary']))();
  await consul.dc('dc1').putKv('graylane/policies/kv-payments', document('canary'));
  const client = paymentsClient(graylane.target('kv-payments'), graylane.clientOptions());
  await graylane.ready('kv-payments');
  const traffic = startTraffic(client);
  const samples: number[] = [];
  for (let flip = 0; flip < POLICY_CHANGES; flip += 1) {
    const to = flip % 2 === 0 ? 'stable' : 'canary';
    const writtenAtMs = performance.now();
    const first = traffic.next((call) => call.reply.version === to);
    await consul.dc('dc1').putKv('graylane/policies/kv-payments', document(to));
    samples.push((await first).endedAtMs - writtenAtMs);
    await pause(APART_MS);
  }
  await traffic.stop();
  expect(traffic.failures).toEqual([]);
  return samples;
}

async function instanceFlips(service: string, datacenter: string): Promise<{ joins: number[]; leaves: number[] }> {
  const flipping = `${service}-flipping`;
  await (await serve(service, `${service}-steady`, datacenter, []))();
  const register = await serve(service, flipping, datacenter, []);
  const client = paymentsClient(graylane.target(service), graylane.clientOptions());
  await graylane.ready(service);
  let lastPickMs = 0;
  const traffic = startTraffic(client, (call) => {
    if (call.reply.servedBy === flipping) lastPickMs = call.startedAtMs;
  });
  const joins: number[] = [];
  const leaves: number[] = [];
  for (let flip = 0; flip < FLIPS; flip += 1) {
    const registeredAtMs = performance.now();
    const first = traffic.next((call) => call.reply.servedBy === flipping);
    await register();
    joins.push((await first).startedAtMs - registeredAtMs);
    await pause(APART_MS);
    const criticalAtMs = performance.now();
    await consul.dc(datacenter).setStatus(flipping, 'critical');
    await pause(APART_MS);
    expect(lastPickMs).toBeGreaterThan(registeredAtMs);
    leaves.push(Math.max(0, lastPickMs - criticalAtMs));
    // Gone for the next registration, which then is one and no mere recovery.
    await consul.dc(datacenter).deregister(flipping);
    await pause(APART_MS);
  }
  await traffic.stop();
  expect(traffic.failures).toEqual([]);
  return { joins, leaves };
}

describe('how soon calls follow Consul', { timeout: 120_000 }, () => {
  it.concurrent('a policy written to KV: p99 <= 100 ms until the first call by it has its answer', async () => {
    const figure = printFigure('kv write -> first call by the new policy', await policyChanges());
    expect(figure.count).toBe(POLICY_CHANGES);
    expect(figure.p99).toBeLessThanOrEqual(100);
  });

  it.concurrent('an instance of the local datacenter: p99 <= 250 ms from register to first pick, from critical to last pick', async () => {
    const { joins, leaves } = await instanceFlips('near-payments', 'dc1');
    expect(printFigure('register -> first pick, same datacenter', joins).p99).toBeLessThanOrEqual(250);
    expect(printFigure('critical -> last pick, same datacenter', leaves).p99).toBeLessThanOrEqual(250);
  });

  it.concurrent('an instance of another datacenter: the same', async () => {
    const { joins, leaves } = await instanceFlips('far-payments', 'dc2');
    expect(printFigure('register -> first pick, across datacenters', joins).p99).toBeLessThanOrEqual(250);
    expect(printFigure('critical -> last pick, across datacenters', leaves).p99).toBeLessThanOrEqual(250);
  });
});
