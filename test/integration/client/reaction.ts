import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import { barBeside, watchBare } from '../../support/beside';
import { pause } from '../../support/closers';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { printFigure, quantile } from '../../support/figure';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { startTraffic } from './traffic';

/** More than the 200 ms between one reading and the next that the client keeps when changes come fast. */
const APART_MS = 300;

export interface ReactionRun {
  readonly policyChanges: number;
  readonly flips: number;
  /** Of the samples that keep to the bar. Of few, one stall of the machine would be the whole 99th percentile. */
  readonly part: number;
}

/** Milliseconds from a change, and how long a bare blocking query (and a bare call, of a policy) took beside it. */
interface Samples {
  readonly ours: number[];
  readonly beside: number[];
}

function evenly(service: string): PolicyDocument {
  return { schema: 1, service, balancing: { algorithm: 'round_robin' } };
}

export function reaction({ policyChanges, flips, part }: ReactionRun): void {
  let consul: ConsulCluster;
  let graylane: Graylane;
  const servers: PaymentsServer[] = [];

  beforeAll(async () => {
    consul = await startConsul({ datacenters: ['dc1', 'dc2'] });
    graylane = createGraylane({
      consul: { address: consul.dc('dc1').address },
      datacenters: ['dc1', 'dc2'],
      // Every endpoint in turn, so that a new one is picked at the next call or the one after it.
      policies: { 'near-payments': evenly('near-payments'), 'far-payments': evenly('far-payments') },
    });
  });

  afterAll(async () => {
    await graylane.close();
    for (const server of servers) server.kill();
    await consul.stop();
  });

  interface Served {
    readonly server: PaymentsServer;
    register(): Promise<void>;
  }

  async function serve(service: string, name: string, datacenter: string, tags: readonly string[]): Promise<Served> {
    const server = await startPaymentsServer({ name, version: tags[0] ?? 'stable', datacenter });
    servers.push(server);
    const { host: address, port } = server;
    return { server, register: () => consul.dc(datacenter).register({ name: service, id: name, address, port, tags }) };
  }

  async function changePolicy(): Promise<Samples> {
    const document = (to: string): string =>
      JSON.stringify({
        schema: 1,
        service: 'kv-payments',
        subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
        default: to,
      });
    const stable = await serve('kv-payments', 'kv-stable', 'dc1', ['stable']);
    await stable.register();
    await (await serve('kv-payments', 'kv-canary', 'dc1', ['canary'])).register();
    const write = (to: string): Promise<void> => consul.dc('dc1').putKv('graylane/policies/kv-payments', document(to));
    await write('canary');
    const client = paymentsClient(graylane.target('kv-payments'), graylane.clientOptions());
    await graylane.ready('kv-payments');
    const bare = await watchBare(consul.dc('dc1'), '/v1/kv/graylane/policies/kv-payments?raw');
    const bareClient = paymentsClient(`ipv4:${stable.server.host}:${stable.server.port}`);
    await charge(bareClient);
    const traffic = startTraffic(client);
    const samples: Samples = { ours: [], beside: [] };
    for (let change = 0; change < policyChanges; change += 1) {
      const to = change % 2 === 0 ? 'stable' : 'canary';
      const writtenAtMs = performance.now();
      const first = traffic.next((call) => call.reply.version === to);
      const beside = bare.next((body) => body === document(to)).then(() => charge(bareClient));
      await write(to);
      const [besideAtMs, call] = await Promise.all([beside.then(() => performance.now()), first]);
      samples.ours.push(call.endedAtMs - writtenAtMs);
      samples.beside.push(besideAtMs - writtenAtMs);
      await pause(APART_MS);
    }
    await traffic.stop();
    await bare.stop();
    bareClient.close();
    expect(traffic.failures).toEqual([]);
    return samples;
  }

  async function flipInstance(service: string, datacenter: string): Promise<{ joins: Samples; leaves: Samples }> {
    const flipping = `${service}-flipping`;
    await (await serve(service, `${service}-steady`, datacenter, [])).register();
    const { register } = await serve(service, flipping, datacenter, []);
    const client = paymentsClient(graylane.target(service), graylane.clientOptions());
    await graylane.ready(service);
    const bare = await watchBare(consul.dc('dc1'), `/v1/health/service/${service}?dc=${datacenter}&passing=1`);
    let lastPickMs = 0;
    const traffic = startTraffic(client, (call) => {
      if (call.reply.servedBy === flipping) lastPickMs = call.startedAtMs;
    });
    const joins: Samples = { ours: [], beside: [] };
    const leaves: Samples = { ours: [], beside: [] };
    for (let flip = 0; flip < flips; flip += 1) {
      const registeredAtMs = performance.now();
      const first = traffic.next((call) => call.reply.servedBy === flipping);
      const listed = bare.next((body) => body.includes(flipping));
      await register();
      joins.ours.push((await first).startedAtMs - registeredAtMs);
      joins.beside.push((await listed) - registeredAtMs);
      await pause(APART_MS);
      const criticalAtMs = performance.now();
      const unlisted = bare.next((body) => !body.includes(flipping));
      await consul.dc(datacenter).setStatus(flipping, 'critical');
      leaves.beside.push((await unlisted) - criticalAtMs);
      await pause(APART_MS);
      expect(lastPickMs).toBeGreaterThan(registeredAtMs);
      leaves.ours.push(Math.max(0, lastPickMs - criticalAtMs));
      // Gone for the next registration, which then is one and no mere recovery.
      await consul.dc(datacenter).deregister(flipping);
      await pause(APART_MS);
    }
    await traffic.stop();
    await bare.stop();
    expect(traffic.failures).toEqual([]);
    return { joins, leaves };
  }

  function holds(what: string, { ours, beside }: Samples, allowedMs: number): void {
    printFigure(what, ours);
    printFigure(`${what}, a bare query beside`, beside);
    expect(quantile(ours, part), what).toBeLessThanOrEqual(barBeside(allowedMs, beside, part));
  }

  const p = `p${100 * part}`;

  describe('how soon calls follow Consul', { timeout: 180_000 }, () => {
    it.concurrent(`a policy written to KV: ${p} <= 100 ms more than a bare query until the first call by it has its answer`, async () => {
      holds('kv write -> first call by the new policy', await changePolicy(), 100);
    });

    it.concurrent(`an instance of the local datacenter: ${p} <= 250 ms more from register to first pick, from critical to last pick`, async () => {
      const { joins, leaves } = await flipInstance('near-payments', 'dc1');
      holds('register -> first pick, same datacenter', joins, 250);
      holds('critical -> last pick, same datacenter', leaves, 250);
    });

    it.concurrent('an instance of another datacenter: the same', async () => {
      const { joins, leaves } = await flipInstance('far-payments', 'dc2');
      holds('register -> first pick, across datacenters', joins, 250);
      holds('critical -> last pick, across datacenters', leaves, 250);
    });
  });
}
