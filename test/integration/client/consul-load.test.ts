import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger';
import { createGraylane, type Graylane, type GraylaneOptions } from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';
import { type RecordingProxy, startRecordingProxy } from '../../support/consul/recording-proxy';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { printFact } from '../../support/figure';
import { isLong } from '../../support/slice';

const closing = closeAfterEach();
const DATACENTERS = ['dc1', 'dc2', 'dc3'];

async function start(config: Readonly<Record<string, unknown>> = {}, count = 3): Promise<ConsulCluster> {
  const datacenters = DATACENTERS.slice(0, count);
  const consul = closing(await startConsul({ datacenters, config }), (opened) => opened.stop());
  // A key and an instance for each service, as they are found where services are in use.
  const names = Array.from({ length: 70 }, (_, index) => `s${index}`);
  for (const name of names) await consul.dc('dc1').putKv(`graylane/policies/${name}`, '{"schema":1}');
  for (const datacenter of consul.datacenters) {
    await Promise.all(names.map((name) => datacenter.register({ name, address: '127.0.0.1', port: 9 })));
  }
  return consul;
}

const PROCESSES = isLong ? 50 : 12;

/** A Graylane client that follows so many services, without a channel that would connect to them. */
function follow(address: string, services: number, options: GraylaneOptions = {}): Graylane {
  const graylane = createGraylane({ consul: { address }, logger: silentLogger, ...options });
  for (let index = 0; index < services; index += 1) graylane.ready(`s${index}`, { timeoutMs: 1 }).catch(() => {});
  return closing(graylane, (opened) => opened.close());
}

const blocking = (proxy: RecordingProxy): number => proxy.openPaths().filter((path) => path.includes('index=')).length;

it('one process holds a connection for each service and datacenter, and one for each policy', async () => {
  const consul = await start();
  for (const [services, datacenters] of [
    [1, 1],
    [10, 1],
    [10, 2],
    [30, 3],
  ] as const) {
    const proxy = closing(await startRecordingProxy(consul.dc('dc1').address), (opened) => opened.stop());
    const graylane = follow(proxy.address, services, { datacenters: DATACENTERS.slice(0, datacenters) });
    const expected = services * (datacenters + 1);
    await expect.poll(() => blocking(proxy), { timeout: 10_000 }).toBe(expected);
    const atStart = proxy.paths.length;
    const connections = await proxy.connections();
    expect(graylane.inspect().consul).toMatchObject([{ address: proxy.address, openRequests: expected }]);
    await pause(1000);
    // Nothing changes, so hardly anything is asked: what Consul has yet to say of the registrations.
    expect(proxy.paths.length - atStart).toBeLessThanOrEqual(Math.max(2, services));
    expect(connections).toBe(expected);
    printFact(
      `what one process costs: ${services} services, ${datacenters} datacenters`,
      `${expected} open queries, ${connections} connections, ${atStart} requests at the start`,
    );
    await graylane.close();
  }
});

it('policies from files or code cost no query', async () => {
  const consul = await start({}, 1);
  const proxy = closing(await startRecordingProxy(consul.dc('dc1').address), (opened) => opened.stop());
  follow(proxy.address, 10, { datacenters: ['dc1'], policy: 'inline' });
  await expect.poll(() => blocking(proxy), { timeout: 10_000 }).toBe(10);
  expect(proxy.paths.some((path) => path.startsWith('/v1/kv/'))).toBe(false);
});

it('near the limit of an agent it is said, and beyond it Consul resets what is too much', async () => {
  const consul = await start({}, 2);
  const lines: string[] = [];
  const log = (message: string, fields: object = {}): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { ...silentLogger, warn: log, error: log };
  const { address } = consul.dc('dc1');
  const within = follow(address, 50, { datacenters: ['dc1', 'dc2'], logger });
  await expect.poll(() => within.inspect().consul[0]?.openRequests, { timeout: 10_000 }).toBe(150);
  expect(lines.filter((line) => line.includes('http_max_conns_per_client'))).toEqual([]);
  await within.close();
  const beyond = follow(address, 70, { datacenters: ['dc1', 'dc2'], logger });
  await expect.poll(() => lines.filter((line) => line.includes('http_max_conns_per_client')).length).toBe(1);
  await expect.poll(() => lines.some((line) => /ECONNRESET|EPIPE|429/.test(line)), { timeout: 10_000 }).toBe(true);
  const [said] = lines.filter((line) => line.includes('http_max_conns_per_client'));
  expect(said).toContain(`"address":"${address}","openRequests":160,"limit":200`);
  await beyond.close();
});

it('so many processes cost a Consul server memory, and hardly any time while nothing changes', async () => {
  const consul = await start({ limits: { http_max_conns_per_client: 5000 } }, 1);
  const dc1 = consul.dc('dc1');
  const before = await usage(dc1.pid);
  const graylanes = Array.from({ length: PROCESSES }, () => follow(dc1.address, 20, { datacenters: ['dc1'] }));
  const open = (): number =>
    graylanes.reduce((sum, graylane) => sum + (graylane.inspect().consul[0]?.openRequests ?? 0), 0);
  await expect.poll(open, { timeout: 20_000 }).toBe(20 * 2 * PROCESSES);
  // Until what was asked at the start has been answered.
  await pause(2000);
  expect(open()).toBe(20 * 2 * PROCESSES);
  const held = await usage(dc1.pid);
  const sinceMs = performance.now();
  await pause(3000);
  const later = await usage(dc1.pid);
  if (before === undefined || held === undefined || later === undefined) return;
  const load = ((later.cpuMs - held.cpuMs) / (performance.now() - sinceMs)) * 100;
  printFact(
    `${20 * 2 * PROCESSES} blocking queries at one Consul server (${PROCESSES} processes of 20 services)`,
    `${((later.rssBytes - before.rssBytes) / 2 ** 20).toFixed(0)} MiB, ${load.toFixed(1)} % of a core while quiet`,
  );
});

/** Linux only. */
async function usage(pid: number): Promise<{ readonly rssBytes: number; readonly cpuMs: number } | undefined> {
  if (process.platform !== 'linux') return undefined;
  const [status, stat] = await Promise.all([
    readFile(`/proc/${pid}/status`, 'utf8'),
    readFile(`/proc/${pid}/stat`, 'utf8'),
  ]);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { rssBytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024, cpuMs: ticks * 10 };
}
