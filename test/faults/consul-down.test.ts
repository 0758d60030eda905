import { setImmediate as nextTurn } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { FakeClock } from '../../src/client/testing/fake-clock';
import { createGraylane } from '../../src/index';
import { closeAfterEach, pause } from '../support/closers';
import { freePorts, loopbackAddress } from '../support/consul/ports';
import { startConsul } from '../support/consul/start';
import { printFact } from '../support/figure';
import { charge, paymentsClient } from '../support/payments';
import { startServerProcess } from '../support/server-process';
import { openSource, record } from '../unit/client/discovery/consul/recorder';
import { loadGraylane, registerOutside } from './fixtures/consul-load';

const opened = closeAfterEach();

it('Consul is killed and comes back: no call is lost, the age is told, the news are taken up', {
  timeout: 90_000,
}, async () => {
  const consul = opened(await startConsul({ mode: 'server' }), (each) => each.stop());
  const dc1 = consul.dc('dc1');
  const servers = opened(await startServerProcess({ names: ['p1', 'p2', 'p3'] }), (each) => each.kill());
  await registerOutside(dc1, servers.instances.slice(0, 2));
  const running = await loadGraylane({ consul: { address: dc1.address }, datacenters: ['dc1'] });
  opened(running, () => running.close());
  await dc1.kill();
  await expect.poll(() => running.datacenter()?.freshness).toBe('stale');
  const first = running.datacenter()?.staleForMs ?? 0;
  await pause(5_000);
  expect(running.datacenter()).toMatchObject({
    known: true,
    instances: 2,
    reason: expect.stringContaining('ECONNREFUSED'),
  });
  expect((running.datacenter()?.staleForMs ?? 0) - first).toBeGreaterThan(4_500);
  await dc1.restart();
  const backAtMs = performance.now();
  await expect.poll(() => running.datacenter()?.freshness, { timeout: 31_000, interval: 20 }).toBe('fresh');
  const freshMs = performance.now() - backAtMs;
  await registerOutside(dc1, servers.instances.slice(2));
  await expect.poll(() => running.instances()).toHaveLength(3);
  await running.load.stop();
  printFact('Consul killed for 5 s', `${running.losses()}; fresh ${(freshMs / 1_000).toFixed(1)} s after its return`);
  expect(running.load.lost).toEqual([]);
  expect(freshMs).toBeLessThanOrEqual(30_000);
  const told = running.log.filter((line) => line.includes('does not answer') || line.includes('answers again'));
  expect(told.map((line) => line.split(' ')[0])).toEqual(['warn', 'info']);
});

it('a Consul that stays down is asked about once in 15 s, and never again in more than 30', {
  timeout: 30_000,
}, async () => {
  const host = loopbackAddress();
  const [port] = await freePorts(host, 1);
  const clock = new FakeClock();
  const bench = opened(openSource({ address: `http://${host}:${port}`, token: count }, ['dc1'], clock), (each) =>
    each.close(),
  );
  const asked: number[] = [];
  function count(): string {
    asked.push(clock.now());
    return '';
  }
  record(bench.source, 'payments');
  for (let second = 0; second < 1_800; second += 1) {
    // A refused connection takes a few turns of the real event loop.
    for (let turn = 0; turn < 4; turn += 1) await nextTurn();
    clock.advance(1_000);
  }
  const settled = asked.filter((atMs) => atMs > 120_000);
  const apart = (1_800_000 - 120_000) / 1_000 / settled.length;
  const longest = Math.max(...settled.slice(1).map((atMs, at) => atMs - (settled[at] ?? 0))) / 1_000;
  printFact('Consul down for 30 min', `one probe in ${apart.toFixed(1)} s a watch, ${longest.toFixed(0)} s at most`);
  expect(apart).toBeGreaterThan(11);
  expect(apart).toBeLessThan(20);
  expect(longest).toBeLessThanOrEqual(32);
});

it('down at the start with nothing remembered: calls end at their own deadline and name Consul', async () => {
  const host = loopbackAddress();
  const [port] = await freePorts(host, 1);
  const graylane = createGraylane({
    consul: { address: `http://${host}:${port}` },
    datacenters: ['dc1'],
    stateDirectory: false,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
  opened(graylane, () => graylane.close());
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  const began = performance.now();
  const error = await charge(client, {}, { deadline: Date.now() + 800 }).catch((thrown: unknown) => thrown);
  const tookMs = performance.now() - began;
  expect(error).toMatchObject({
    code: status.DEADLINE_EXCEEDED,
    details: expect.stringContaining('not known from Consul (dc1: ECONNREFUSED'),
  });
  expect(tookMs).toBeGreaterThan(750);
  expect(tookMs).toBeLessThan(3_000);
  printFact(
    'Consul down at the start, nothing remembered, deadline 800 ms',
    `${tookMs.toFixed(0)} ms: ${(error as Error & { details: string }).details}`,
  );
});

it('a call that fails while Consul is down says how old is what it went by, and why', { timeout: 40_000 }, async () => {
  const consul = opened(await startConsul(), (each) => each.stop());
  const servers = opened(await startServerProcess({ names: ['p1'] }), (each) => each.kill());
  await registerOutside(consul.dc('dc1'), servers.instances);
  const running = await loadGraylane({ consul: { address: consul.dc('dc1').address }, datacenters: ['dc1'] });
  opened(running, () => running.close());
  await consul.dc('dc1').kill();
  await expect.poll(() => running.datacenter()?.freshness).toBe('stale');
  await running.load.stop();
  await servers.kill();
  const client = paymentsClient(running.graylane.target('payments'), running.graylane.clientOptions());
  const failure = async (): Promise<string> => {
    try {
      await charge(client, {}, { deadline: Date.now() + 1_000 });
      return 'none';
    } catch (error) {
      return (error as { details: string }).details;
    }
  };
  await expect
    .poll(failure, { timeout: 10_000 })
    .toMatch(/0 of 1 connected in dc1 .*discovery is stale: dc1 as of \d+ s ago \(ECONNREFUSED/);
});
