import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { registerInstance } from '../../../src/server';
import { closeAfterEach } from '../../support/closers';
import { startHoldingProxy } from '../../support/consul/holding-proxy';
import { until } from '../../support/until';
import { startLive } from './live-command';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld();
const closing = closeAfterEach();

describe('graylane instances', () => {
  it('lists by datacenter and subset, with health, weight and age', async () => {
    const [dc1, dc2] = world.consul.datacenters;
    const startedAt = new Date(Date.now() - 3_725_000).toISOString();
    await dc1?.register({ name: 'a', id: 'c1', port: 9001, tags: ['canary'], meta: { 'started-at': startedAt } });
    await dc1?.register({
      name: 'a',
      id: 's1',
      address: '10.0.0.9',
      port: 9002,
      tags: ['stable'],
      weights: { passing: 7, warning: 1 },
    });
    await dc1?.register({ name: 'a', id: 'x1', port: 9003, status: 'critical' });
    await dc2?.register({ name: 'a', id: 's2', port: 9004, tags: ['stable'] });
    await dc1?.putKv('graylane/policies/a', JSON.stringify(policyOf('a')));

    const { code, stdout, stderr } = await world.run(['instances', 'a', '--dc', 'dc1,dc2']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^a {2}revision [0-9a-f]{12}$/m);
    const rows = stdout.split('\n').slice(2, -1);
    expect(rows.map((row) => row.split(/ {2,}/).slice(0, 3))).toEqual([
      ['dc1', '(unassigned)', 'x1'],
      ['dc1', 'canary', 'c1'],
      ['dc1', 'stable', 's1'],
      ['dc2', 'stable', 's2'],
    ]);
    expect(rows[0]).toContain('critical');
    expect(rows[1]).toMatch(/passing +1 +1h 2m$/);
    expect(rows[2]).toMatch(/10\.0\.0\.9:9002 +passing +7$/);

    const { json } = await world.runJson<{ instances: readonly object[] }>(['instances', 'a']);
    expect(json.instances).toHaveLength(3);
    expect(json).toMatchObject({ service: 'a', datacenters: [{ instances: 3, freshness: 'fresh' }] });
  });

  it('tells the age of an instance that registered itself', async () => {
    const { address } = world.consul.dc('dc1');
    const own = { name: 'self', id: 'self-1', port: 9010, check: 'none', settleMs: 0, graceMs: 0 } as const;
    const registration = closing(registerInstance({ ...own, consul: { address } }), (one) => one.stop());
    const before = Date.now();
    await registration.registered();
    const { json } = await world.runJson<{ instances: readonly { ageMs?: number }[] }>(['instances', 'self']);
    expect(json.instances).toHaveLength(1);
    expect(json.instances[0]?.ageMs).toBeGreaterThan(0);
    expect(json.instances[0]?.ageMs).toBeLessThan(Date.now() - before + 5_000);
    expect((await world.run(['instances', 'self'])).stdout).toMatch(/self-1 .*passing +1 +\d+s$/m);
  });

  it('ends with 1 when nobody is there, and says what to run', async () => {
    const { code, stderr } = await world.run(['instances', 'nobody']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/: no instances; run graylane doctor nobody if there should be\n$/);
  });

  it.each([
    ['says so a moment after the answer', 'dc1'],
    ['never says so', 'local'],
  ])('names the datacenter of an agent without instances that %s', async (says, name) => {
    const proxy = closing(
      await startHoldingProxy(world.consul.dc('dc1').address, (path) => path.startsWith('/v1/agent/self')),
      (one) => one.stop(),
    );
    const ended = world.run(['instances', 'nobody'], { env: { CONSUL_HTTP_ADDR: proxy.address } });
    await until(() => proxy.held > 0);
    await pause(150);
    if (says !== 'never says so') proxy.release();
    expect((await ended).stderr).toMatch(new RegExp(`^${name}: no instances`));
  });

  it('shows changes live with --watch, and ends with 0 when interrupted', async () => {
    const dc1 = world.consul.dc('dc1');
    await dc1.register({ name: 'live', id: 'i1', port: 9001 });
    const live = closing(startLive(['instances', 'live', '--watch'], { CONSUL_HTTP_ADDR: dc1.address }), (one) =>
      one.kill(),
    );
    await live.line(/i1 .*passing +1 +\d+s$/);
    await dc1.setStatus('i1', 'warning');
    await live.line(/i1 .*warning/);
    await dc1.register({ name: 'live', id: 'i2', port: 9002 });
    await live.line(/i2 .*passing/);
    expect(await live.interrupt()).toBe(0);
  });
});

describe('graylane watch', () => {
  it('shows policies and instances as they come, and what clients refuse', async () => {
    const dc1 = world.consul.dc('dc1');
    const key = 'graylane/policies/w';
    await dc1.register({ name: 'w', id: 'w1', port: 9001, tags: ['stable'] });
    const live = closing(startLive(['watch', 'w', '--json'], { CONSUL_HTTP_ADDR: dc1.address }), (one) => one.kill());
    await live.line(/"kind":"policy","change":"no policy"/);
    await live.line(/"change":"added".*"instance":"w1".*\[stable\]/);
    await dc1.putKv(key, JSON.stringify(policyOf('w')));
    await live.line(/"kind":"policy","change":"revision [0-9a-f]{12}","details":"from kv, index \d+"/);
    await dc1.putKv(key, JSON.stringify(policyOf('w', 5, { default: 'nobody' })));
    await live.line(/"kind":"note","change":"error: policy rejected.*default/);
    await dc1.setStatus('w1', 'critical');
    await live.line(/"change":"changed".*passing weight 1 .*-> .*critical/);
    await dc1.register({ name: 'w', id: 'w2', port: 9002 });
    await live.line(/"change":"added".*"instance":"w2"/);
    await dc1.deregister('w2');
    await live.line(/"change":"gone".*"instance":"w2"/);
    for (const line of live.lines) expect(JSON.parse(line)).toMatchObject({ service: 'w', at: expect.any(String) });
    expect(await live.interrupt()).toBe(0);
  });

  it('shows them as lines for people', async () => {
    const dc1 = world.consul.dc('dc1');
    await dc1.register({ name: 'lines', id: 'l1', port: 9001 });
    const live = closing(startLive(['watch', 'lines'], { CONSUL_HTTP_ADDR: dc1.address }), (one) => one.kill());
    expect(await live.line(/instance/)).toMatch(/^\S+Z instance added {2}l1 {2}in dc1 {2}\S+:9001 passing weight 1$/);
    expect(await live.interrupt()).toBe(0);
  });
});
