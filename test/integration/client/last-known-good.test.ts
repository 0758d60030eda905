import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane } from '../../../src/index';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { GRAY } from '../../support/gray-policy';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';

const TOKEN = 'a-token-that-must-not-be-written';
let consul: ConsulCluster;
let stable: PaymentsServer;
let canary: PaymentsServer;
let directory: string;
const graylanes: Graylane[] = [];

beforeAll(async () => {
  consul = await startConsul({ mode: 'server' });
  stable = await startPaymentsServer({ name: 's', version: 'stable' });
  canary = await startPaymentsServer({ name: 'c', version: 'canary' });
  for (const { name, host, port, version } of [stable, canary]) {
    await consul.dc('dc1').register({ name: 'payments', id: name, address: host, port, tags: [version] });
  }
  await consul.dc('dc1').putKv(
    'graylane/policies/payments',
    JSON.stringify({
      ...GRAY,
      routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
    }),
  );
  directory = await mkdtemp(join(tmpdir(), 'graylane-state-'));
});

afterEach(async () => {
  for (const graylane of graylanes.splice(0)) await graylane.close();
});

afterAll(async () => {
  stable.kill();
  canary.kill();
  await consul.stop();
  await rm(directory, { recursive: true });
});

function open(stateDirectory: string | false = directory): Graylane {
  const graylane = createGraylane({
    consul: { address: consul.dc('dc1').address, token: TOKEN },
    stateDirectory,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
  graylanes.push(graylane);
  return graylane;
}

describe('what is remembered on disk', () => {
  it('lets a process start while Consul is down: same policy, same instances, within 500 ms of a bare call', async () => {
    const first = open();
    await first.ready('payments');
    await first.close();
    await consul.dc('dc1').kill();
    try {
      const graylane = open();
      const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
      const began = performance.now();
      expect((await charge(client, { 'x-gray': 'canary' })).servedBy).toBe('c');
      const tookMs = performance.now() - began;
      // The first call of another client, over a new connection of grpc-js alone: what the machine takes in these seconds.
      const bareAtMs = performance.now();
      await charge(paymentsClient(`ipv4:${canary.host}:${canary.port}`));
      const bareMs = performance.now() - bareAtMs;
      console.log(`[figure] Consul down at the start, first call: ${tookMs.toFixed(0)} ms`);
      expect(tookMs).toBeLessThan(500 + 5 * bareMs);
      expect((await charge(client)).servedBy).toBe('s');
      const [service] = graylane.inspect().services;
      expect(service?.policy.failure).toMatch(/policy graylane\/policies\/payments/);
      expect(service?.datacenters[0]).toMatchObject({ known: true, freshness: 'stale' });
      expect(service?.datacenters[0]?.staleForMs).toBeGreaterThan(0);
    } finally {
      await consul.dc('dc1').restart();
    }
  });

  it('stands in for a Consul that has forgotten every instance, until that is confirmed', async () => {
    const { address } = consul.dc('dc1');
    const entries = [stable, canary].map(({ name, host, port, version }) => ({
      name: 'forgotten',
      id: `forgotten-${name}`,
      address: host,
      port,
      tags: [version],
    }));
    for (const entry of entries) await consul.dc('dc1').register(entry);
    const silent = { debug() {}, info() {}, warn() {}, error() {} };
    const openForgotten = (): Graylane => {
      const protection = { windowMs: 1_500 };
      const graylane = createGraylane({ consul: { address }, stateDirectory: directory, protection, logger: silent });
      graylanes.push(graylane);
      return graylane;
    };
    const first = openForgotten();
    await first.ready('forgotten');
    await first.close();
    for (const { id } of entries) await consul.dc('dc1').deregister(id);
    const graylane = openForgotten();
    const client = paymentsClient(graylane.target('forgotten'), graylane.clientOptions());
    expect(['s', 'c']).toContain((await charge(client)).servedBy);
    const state = () => graylane.inspect().services[0]?.datacenters[0];
    expect(state()).toMatchObject({ instances: 2, isHeld: true, freshness: 'stale' });
    expect(state()?.reason).toBe('Consul lists 0 instances; the 2 remembered ones are kept for 1500 ms');
    await expect.poll(state).toMatchObject({ instances: 0, isHeld: false, freshness: 'fresh' });
    await expect(charge(client)).rejects.toThrow(/0 instances in dc1/);
  });

  it('has mode 0600 and no token in it', async () => {
    const files = await remembered(directory);
    expect(files).not.toEqual([]);
    for (const file of files) {
      const path = join(directory, file);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect(await readFile(path, 'utf8')).not.toContain(TOKEN);
    }
  });

  it('is not used when it is damaged, nor where no directory is given', async () => {
    await consul.dc('dc1').kill();
    try {
      for (const file of await remembered(directory)) {
        const path = join(directory, file);
        const text = await readFile(path, 'utf8');
        await writeFile(path, text.replace(/127\.0\.0|payments/, '127.9.9'));
      }
      await expect(open().ready('payments', { timeoutMs: 800 })).rejects.toThrow(/policy not known/);
      await expect(open(false).ready('payments', { timeoutMs: 800 })).rejects.toThrow(/not known from Consul/);
    } finally {
      await consul.dc('dc1').restart();
    }
  });
});

/** The files of what is known, not the folder beside them. */
async function remembered(directory: string): Promise<readonly string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith('.json'));
}
