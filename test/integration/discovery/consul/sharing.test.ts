import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RecordingProxy, startRecordingProxy } from '../../../support/consul/recording-proxy';
import { type ConsulCluster, startConsul } from '../../../support/consul/start';
import { scriptArgs } from '../../../support/script';
import { type Bench, ids, openSource, record } from '../../../unit/client/discovery/consul/recorder';

let consul: ConsulCluster;
let proxy: RecordingProxy;
let bench: Bench;

beforeAll(async () => {
  consul = await startConsul({ datacenters: ['dc1', 'dc2', 'dc3'] });
  proxy = await startRecordingProxy(consul.dc('dc1').address);
  for (const dc of consul.datacenters) await dc.register({ name: 'pay', id: dc.name, port: 7001, address: '10.0.0.1' });
});
afterAll(async () => {
  bench?.close();
  await proxy.stop();
  await consul.stop();
});

const blocking = (): readonly string[] => proxy.openPaths().filter((path) => path.includes('index='));

async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 3000;
  while (!(await condition())) {
    if (performance.now() > deadline) expect.fail('not within 3 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('what watching costs', () => {
  it('fifty watches of a service share one query for each datacenter, on one connection each', async () => {
    bench = openSource({ address: proxy.address }, ['dc1', 'dc2', 'dc3']);
    const all = Array.from({ length: 50 }, () => record(bench.source, 'pay'));
    await Promise.all(all.map((one) => one.until((state) => state.datacenters.every((dc) => dc.known))));
    await eventually(() => blocking().length === 3);
    // Each loop asked twice: what there is, and then what comes after.
    expect(proxy.paths.filter((path) => path.startsWith('/v1/health/service/pay'))).toHaveLength(6);
    expect(await proxy.connections()).toBe(3);
    // The agent's own datacenter is asked for without naming it.
    expect(blocking().filter((path) => !path.includes('dc='))).toHaveLength(1);
    // A client that has just begun waits for 10 s at the most.
    expect(blocking().every((path) => path.includes('stale=1') && /wait=(9\d{3}|10000)ms/.test(path))).toBe(true);
    expect(blocking().some((path) => path.includes('passing'))).toBe(false);
    for (const one of all) one.watch.close();
  });

  it('the last close ends the queries, and watching again starts afresh', async () => {
    await eventually(async () => blocking().length === 0 && (await proxy.connections()) === 0);
    const again = record(bench.source, 'pay');
    await again.until((state) => ids(state, 'dc3').length === 1);
    const other = record(bench.source, 'pay');
    await other.until((state) => ids(state, 'dc3').length === 1);
    again.watch.close();
    again.watch.close();
    await consul.dc('dc3').setStatus('dc3', 'critical');
    await other.until((state) => ids(state, 'dc3')[0] === 'dc3 critical');
    expect(ids(again.last(), 'dc3')).toEqual(['dc3']);
    await consul.dc('dc3').setStatus('dc3', 'passing');
    await other.until((state) => ids(state, 'dc3')[0] === 'dc3');
    other.watch.close();
  });

  it('a listener that throws harms neither the loop nor other listeners', async () => {
    const thrower = bench.source.watch({ service: 'pay', tags: [] }, () => {
      throw new Error('a fault of the caller');
    });
    const seen = record(bench.source, 'pay');
    await seen.until((state) => ids(state, 'dc1').length === 1);
    await consul.dc('dc1').setStatus('dc1', 'critical');
    await seen.until((state) => ids(state, 'dc1')[0] === 'dc1 critical');
    await consul.dc('dc1').setStatus('dc1', 'passing');
    await seen.until((state) => ids(state, 'dc1')[0] === 'dc1');
    expect(bench.logger.lines.some((line) => line.includes('a fault of the caller'))).toBe(true);
    thrower.close();
    seen.watch.close();
  });

  it('an unchanged answer is not delivered', async () => {
    const seen = record(bench.source, 'pay');
    await seen.until((state) => state.datacenters.every((dc) => dc.known));
    const before = seen.states.length;
    const asked = proxy.paths.length;
    // A new check output wakes the query without changing what matters.
    await consul.dc('dc1').request('PUT', '/v1/agent/check/update/service:dc1', { Status: 'passing', Output: 'anew' });
    await consul
      .dc('dc1')
      .register({ name: 'pay', id: 'dc1', port: 7001, address: '10.0.0.1', more: { EnableTagOverride: true } });
    await eventually(() => proxy.paths.length > asked);
    await consul.dc('dc1').setStatus('dc1', 'critical');
    await seen.until((state) => ids(state, 'dc1')[0] === 'dc1 critical');
    expect(seen.states.length).toBe(before + 1);
    await consul.dc('dc1').setStatus('dc1', 'passing');
    seen.watch.close();
  });

  it('a process ends by itself once source and client are closed, with queries under way', async () => {
    const child = spawn(process.execPath, [...scriptArgs(join(__dirname, 'exit-fixture.ts')), proxy.address], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const [code] = await once(child, 'exit');
    expect([code, output]).toEqual([0, 'instances 1\nclosed\n']);
  });
});
