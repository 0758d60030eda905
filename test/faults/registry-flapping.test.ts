import { expect, it } from 'vitest';
import { closeAfterEach, pause } from '../support/closers';
import { startRecordingProxy } from '../support/consul/recording-proxy';
import { startConsul } from '../support/consul/start';
import { printFact } from '../support/figure';
import { startPaymentsServer } from '../support/payments';
import { loadGraylane } from './fixtures/consul-load';

const opened = closeAfterEach();
const COUNT = 1_000;
const WRITES = 400;

/** All of 127/8 is this machine, so that one server is as many instances as are wanted. */
function addressOf(at: number): string {
  return `127.1.${Math.floor(at / 200)}.${1 + (at % 200)}`;
}

it('400 rapid writes at 1,000 instances: at most 5 swaps and 5 fetches a second, and nobody reconnects', {
  timeout: 150_000,
}, async () => {
  const consul = opened(await startConsul(), (each) => each.stop());
  const dc1 = consul.dc('dc1');
  const server = opened(await startPaymentsServer({ name: 'all' }, '0.0.0.0'), (each) => each.kill());
  const write = (at: number, weight: number): Promise<void> =>
    dc1
      .request('PUT', '/v1/catalog/register', {
        Node: `n${at}`,
        Address: addressOf(at),
        Service: { ID: `p${at}`, Service: 'payments', Port: server.port, Weights: { Passing: weight, Warning: 1 } },
      })
      .then(async (response) => void (await response.arrayBuffer()));
  for (let from = 0; from < COUNT; from += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, at) => write(from + at, 1)));
  }
  const proxy = opened(await startRecordingProxy(dc1.address), (each) => each.stop());
  const running = await loadGraylane({ consul: { address: proxy.address }, datacenters: ['dc1'] });
  opened(running, () => running.close());
  await expect.poll(() => server.sessions.open, { timeout: 60_000 }).toBe(COUNT);
  await pause(2_000);

  const version = (): number => running.graylane.inspect().services[0]?.snapshot ?? 0;
  const fetched = (): number => proxy.paths.filter((path) => path.includes('/health/service/payments')).length;
  const firstTwo: number[] = [];
  for (let at = 0; at < 2; at += 1) {
    const before = version();
    const began = performance.now();
    await write(at, 2);
    await expect.poll(version, { interval: 1 }).toBe(before + 1);
    firstTwo.push(performance.now() - began);
  }
  await pause(2_000);

  const start = { version: version(), fetched: fetched(), opened: server.sessions.opened, atMs: performance.now() };
  for (let at = 0; at < WRITES; at += 1) {
    await write(at % COUNT, 3 + (at % 7));
    await pause(10);
  }
  const seconds = (performance.now() - start.atMs) / 1_000;
  const swaps = version() - start.version;
  const fetches = fetched() - start.fetched;
  await expect.poll(() => running.datacenter()?.freshness).toBe('fresh');
  await running.load.stop();
  printFact(
    `${WRITES} writes at ${COUNT} instances in ${seconds.toFixed(1)} s`,
    `${(swaps / seconds).toFixed(1)} swaps and ${(fetches / seconds).toFixed(1)} fetches a second, ` +
      `${server.sessions.opened - start.opened} of ${COUNT} connections anew; ${running.losses()}; ` +
      `a first and a second change took ${firstTwo.map((ms) => `${ms.toFixed(0)} ms`).join(' and ')}`,
  );
  // A burst of two swaps and four fetches, then five a second.
  expect(swaps).toBeLessThanOrEqual(2 + 5 * seconds);
  expect(fetches).toBeLessThanOrEqual(4 + 5 * seconds);
  expect(swaps).toBeGreaterThan(seconds);
  expect(server.sessions.opened).toBe(start.opened);
  expect(running.load.lost).toEqual([]);
});
