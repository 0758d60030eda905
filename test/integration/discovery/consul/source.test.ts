import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FakeClock } from '../../../../src/client/testing/fake-clock';
import { type ConsulCluster, type ConsulDatacenter, startConsul } from '../../../support/consul/start';
import { type Bench, ids, openSource, record } from '../../../unit/client/discovery/consul/recorder';

let consul: ConsulCluster;
let dc1: ConsulDatacenter;
let dc2: ConsulDatacenter;
let bench: Bench;
let number = 0;

beforeAll(async () => {
  consul = await startConsul({ datacenters: ['dc1', 'dc2'] });
  dc1 = consul.dc('dc1');
  dc2 = consul.dc('dc2');
});
afterAll(() => consul.stop());
afterEach(() => bench.close());

/** A service name that no other test has. */
function fresh(): string {
  number += 1;
  return `svc-${number}`;
}

describe('instances from Consul', () => {
  it('delivers what is registered, with everything that Consul says of it', async () => {
    const name = fresh();
    await dc1.register({
      name,
      id: `${name}-1`,
      address: '10.0.0.9',
      port: 7001,
      tags: ['canary', 'v2'],
      meta: { version: 'v2', zone: 'z1' },
      weights: { passing: 30, warning: 3 },
    });
    bench = openSource({ address: dc1.address });
    const seen = record(bench.source, name);
    const state = await seen.until((one) => ids(one, 'dc1').length === 1);
    expect(state.datacenters).toHaveLength(1);
    expect(state.datacenters[0]).toMatchObject({
      datacenter: 'dc1',
      local: true,
      known: true,
      rejected: 0,
      connectOnly: false,
      freshness: { kind: 'fresh' },
    });
    expect(state.datacenters[0]?.instances).toEqual([
      {
        key: `dc1/dc1-s1/${name}-1`,
        id: `${name}-1`,
        node: 'dc1-s1',
        datacenter: 'dc1',
        zone: 'z1',
        address: '10.0.0.9',
        port: 7001,
        tags: ['canary', 'v2'],
        meta: { version: 'v2', zone: 'z1' },
        status: 'passing',
        weight: 30,
        registered: expect.any(Number),
      },
    ]);
  });

  it('gives each status its own weight, keeps critical ones as known and bad, and counts maintenance as critical', async () => {
    const name = fresh();
    await dc1.register({ name, port: 7001, address: '10.0.0.9', weights: { passing: 30, warning: 3 } });
    bench = openSource({ address: dc1.address });
    const seen = record(bench.source, name);
    await seen.until((one) => ids(one, 'dc1')[0] === name);
    await dc1.setStatus(name, 'warning');
    await seen.until((one) => ids(one, 'dc1')[0] === `${name} warning`);
    expect(seen.dc('dc1').instances[0]?.weight).toBe(3);
    await dc1.setStatus(name, 'critical');
    await seen.until((one) => ids(one, 'dc1')[0] === `${name} critical`);
    expect(seen.dc('dc1').instances[0]?.weight).toBe(0);
    await dc1.setStatus(name, 'passing');
    await seen.until((one) => ids(one, 'dc1')[0] === name);
    await dc1.setMaintenance(name, true);
    await seen.until((one) => ids(one, 'dc1')[0] === `${name} critical`);
    await dc1.setMaintenance(name, false);
    await seen.until((one) => ids(one, 'dc1')[0] === name);
    // Believed at once only because it was out of service before.
    await dc1.setStatus(name, 'critical');
    await dc1.deregister(name);
    await seen.until((one) => ids(one, 'dc1').length === 0);
    expect(seen.dc('dc1').known).toBe(true);
  });

  it("takes the node's address where the service has none, and meta.weight before Weights", async () => {
    const name = fresh();
    await dc1.register({ name, port: 7001, meta: { weight: '2.5' }, weights: { passing: 30, warning: 3 } });
    bench = openSource({ address: dc1.address });
    const state = await record(bench.source, name).until((one) => ids(one, 'dc1').length === 1);
    expect(state.datacenters[0]?.instances[0]).toMatchObject({
      address: new URL(dc1.address).hostname,
      weight: 2.5,
    });
  });

  it('drops one address under two IDs and says so', async () => {
    const name = fresh();
    await dc1.register({ name, id: `${name}-old`, port: 7001, address: '10.0.0.9', status: 'critical' });
    await dc1.register({ name, id: `${name}-new`, port: 7001, address: '10.0.0.9' });
    bench = openSource({ address: dc1.address });
    const seen = record(bench.source, name);
    await seen.until((one) => one.datacenters[0]?.rejected === 1);
    expect(ids(seen.last(), 'dc1')).toEqual([`${name}-new`]);
  });

  it('joins the listed datacenters, local first, and keeps the objects of what did not change', async () => {
    const name = fresh();
    await dc1.register({ name, id: `${name}-1`, port: 7001, address: '10.0.0.1' });
    await dc2.register({ name, id: `${name}-2`, port: 7002, address: '10.0.0.2' });
    bench = openSource({ address: dc1.address }, ['dc1', 'dc2']);
    const seen = record(bench.source, name);
    const before = await seen.until((one) => ids(one, 'dc1').length === 1 && ids(one, 'dc2').length === 1);
    expect(before.datacenters.map((one) => [one.datacenter, one.local])).toEqual([
      ['dc1', true],
      ['dc2', false],
    ]);
    await dc1.register({ name, id: `${name}-3`, port: 7003, address: '10.0.0.3' });
    const after = await seen.until((one) => ids(one, 'dc1').length === 2);
    expect(after.datacenters[0]?.instances[0]).toBe(before.datacenters[0]?.instances[0]);
    expect(after.datacenters[1]).toBe(before.datacenters[1]);
  });

  it('narrows by tags, all of them', async () => {
    const name = fresh();
    await dc1.register({ name, id: 'a', port: 7001, address: '10.0.0.1', tags: ['x', 'y'] });
    await dc1.register({ name, id: 'b', port: 7002, address: '10.0.0.1', tags: ['x'] });
    bench = openSource({ address: dc1.address });
    const seen = record(bench.source, name, { tags: ['y', 'x'] });
    expect(ids(await seen.until((one) => one.datacenters[0]?.known === true), 'dc1')).toEqual(['a']);
    await dc1.deregister('a');
    await dc1.deregister('b');
  });

  it('tells a service that is only behind Connect proxies from one that is absent', async () => {
    const name = fresh();
    await dc2.register({
      name: `${name}-proxy`,
      port: 7001,
      address: '10.0.0.1',
      more: { Kind: 'connect-proxy', Proxy: { DestinationServiceName: name } },
    });
    bench = openSource({ address: dc1.address }, ['dc1', 'dc2']);
    const seen = record(bench.source, name);
    await seen.until((one) => one.datacenters[1]?.connectOnly === true && one.datacenters[0]?.known === true);
    expect(seen.dc('dc1')).toMatchObject({ known: true, connectOnly: false, instances: [] });
    await dc2.register({ name, port: 7005, address: '10.0.0.1' });
    await seen.until((one) => ids(one, 'dc2').length === 1 && one.datacenters[1]?.connectOnly === false);
  });

  it("asks Consul for filters and keeps them up to date, each datacenter's own", async () => {
    const name = fresh();
    await dc1.register({ name, id: 'f1', port: 7001, address: '10.0.0.1', meta: { version: 'v2' } });
    await dc1.register({ name, id: 'f2', port: 7002, address: '10.0.0.1', meta: { version: 'v1' } });
    await dc2.register({ name, id: 'f3', port: 7003, address: '10.0.0.1', meta: { version: 'v2' } });
    bench = openSource({ address: dc1.address }, ['dc1', 'dc2']);
    const seen = record(bench.source, name);
    await seen.until((one) => one.datacenters.every((dc) => dc.known));
    const expression = 'Service.Meta.version == v2';
    const matches = (dc: number): readonly string[] => [
      ...(seen.last().datacenters[dc]?.filters.get(expression) ?? []),
    ];
    seen.watch.setFilters([expression, 'this is no filter']);
    await seen.until((one) => one.datacenters.every((dc) => dc.filters.has(expression)));
    expect([matches(0), matches(1)]).toEqual([['dc1/dc1-s1/f1'], ['dc2/dc2-s1/f3']]);
    await dc1.register({ name, id: 'f2', port: 7002, address: '10.0.0.1', meta: { version: 'v2' } });
    await seen.until(() => matches(0).length === 2);
    expect(seen.last().datacenters[0]?.filters.has('this is no filter')).toBe(false);
    expect(bench.logger.lines.filter((line) => line.includes('this is no filter'))).not.toHaveLength(0);
    seen.watch.setFilters([]);
    await seen.until((one) => one.datacenters.every((dc) => dc.filters.size === 0));
    for (const id of ['f1', 'f2']) await dc1.deregister(id);
    await dc2.deregister('f3');
  });

  it('hands on the first word of each datacenter and then two changes at once, the next when 200 ms have passed', async () => {
    const name = fresh();
    await dc1.register({ name, port: 7001, address: '10.0.0.1' });
    const clock = new FakeClock();
    // Three of them, one unknown to Consul: more first words than the two changes that pass at once.
    bench = openSource({ address: dc1.address }, ['dc1', 'dc2', 'dc9'], clock);
    const seen = record(bench.source, name);
    await seen.until((one) =>
      one.datacenters.every((dc) => dc.known || JSON.stringify(dc.freshness).includes('no path to datacenter')),
    );
    for (const status of ['critical', 'passing'] as const) {
      await dc1.setStatus(name, status);
      await seen.until((one) => one.datacenters[0]?.instances[0]?.status === status);
    }
    const before = seen.states.length;
    await dc1.setStatus(name, 'critical');
    await dc1.setStatus(name, 'warning');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen.states).toHaveLength(before);
    clock.advance(199);
    expect(seen.states).toHaveLength(before);
    clock.advance(1);
    expect(seen.states).toHaveLength(before + 1);
    expect(ids(seen.last(), 'dc1')).toEqual([`${name} warning`]);
  });
});
