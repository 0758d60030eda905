import { describe, expect, it } from 'vitest';
import { closeAfterEach, pause } from '../support/closers';
import { type ConsulDatacenter, type StartConsulOptions, startConsul } from '../support/consul/start';
import { printFact } from '../support/figure';
import { type ServerProcess, startServerProcess } from '../support/server-process';
import { loadGraylane, register } from './fixtures/consul-load';

const opened = closeAfterEach();
const PROTECTION = { windowMs: 3_000 };

async function start(options: StartConsulOptions = {}): Promise<ConsulDatacenter> {
  const consul = opened(await startConsul(options), (each) => each.stop());
  return consul.dc('dc1');
}

async function serve(...names: string[]): Promise<ServerProcess> {
  return opened(await startServerProcess({ names }), (each) => each.kill());
}

describe('a Consul that lists nobody any more', () => {
  it('because it lost its state: nothing happens to calls, and what is registered again is followed', {
    timeout: 60_000,
  }, async () => {
    const dc1 = await start();
    const servers = await serve('p1', 'p2', 'p3');
    await register(dc1, servers.instances);
    const running = await loadGraylane({ consul: { address: dc1.address }, datacenters: ['dc1'] });
    opened(running, () => running.close());
    await dc1.restart();
    await expect.poll(() => running.datacenter()?.isHeld, { timeout: 35_000 }).toBe(true);
    await pause(1_000);
    expect(running.datacenter()).toMatchObject({ instances: 3, freshness: 'stale' });
    await register(dc1, servers.instances.slice(0, 1));
    await expect.poll(() => running.datacenter()?.isHeld).toBe(false);
    expect(running.datacenter()).toMatchObject({ instances: 1, absent: 2, freshness: 'fresh' });
    await pause(500);
    await register(dc1, servers.instances);
    await expect.poll(() => running.datacenter()).toMatchObject({ instances: 3, absent: 0, freshness: 'fresh' });
    await running.load.stop();
    printFact('Consul restarted without its state', running.losses());
    expect(running.load.lost).toEqual([]);
    expect(running.log.filter((line) => line.startsWith('error Consul suddenly lists no instance'))).toHaveLength(1);
  });

  it('with subsets that Consul evaluates: they keep the members that they had', { timeout: 60_000 }, async () => {
    const dc1 = await start();
    const servers = await serve('p1', 'p2', 'p3');
    const registerAll = async (): Promise<void> => {
      for (const { name, port } of servers.instances) {
        await dc1.request('PUT', '/v1/catalog/register', {
          Node: 'far',
          Address: '127.0.0.1',
          Service: { ID: name, Service: 'payments', Port: port, Meta: { version: 'v2' } },
        });
        await pause(100);
      }
    };
    await registerAll();
    const running = await loadGraylane({
      consul: { address: dc1.address },
      datacenters: ['dc1'],
      policy: 'auto',
      policies: {
        payments: {
          schema: 1,
          service: 'payments',
          subsets: { v2: { filter: 'Service.Meta.version == v2' } },
          default: 'v2',
        },
      },
    });
    opened(running, () => running.close());
    await dc1.request('PUT', '/v1/catalog/deregister', { Node: 'far' });
    await expect.poll(() => running.datacenter()?.isHeld).toBe(true);
    // Longer than the filter's own empty answer is doubted.
    await pause(2_500);
    expect(running.datacenter()).toMatchObject({ instances: 3, isHeld: true });
    await registerAll();
    await expect
      .poll(() => running.datacenter())
      .toMatchObject({ instances: 3, absent: 0, isHeld: false, freshness: 'fresh' });
    await pause(300);
    await running.load.stop();
    printFact('every instance gone for 2.5 s, subsets by filter', running.losses());
    expect(running.load.lost).toEqual([]);
  });

  it('is believed when 3 reads over the window agree, which is told before and after', {
    timeout: 60_000,
  }, async () => {
    const dc1 = await start();
    const servers = await serve('p1', 'p2');
    await register(dc1, servers.instances);
    const options = { consul: { address: dc1.address }, datacenters: ['dc1'] };
    const running = await loadGraylane({ ...options, protection: PROTECTION });
    const unprotected = await loadGraylane({ ...options, protection: { except: ['payments'] } });
    for (const each of [running, unprotected]) opened(each, () => each.close());
    const began = performance.now();
    for (const { name } of servers.instances) await dc1.deregister(name);
    await expect.poll(() => running.datacenter()?.isHeld).toBe(true);
    await expect.poll(() => unprotected.datacenter()?.instances).toBe(0);
    const goneMs = performance.now() - began;
    expect(running.datacenter()?.reason).toMatch(
      /lists 0 instances; the 1 known ones are kept until 3 reads over 3000 ms/,
    );
    const heldLosses = running.load.lost.length;
    await expect.poll(() => running.datacenter()?.instances, { timeout: 10_000, interval: 20 }).toBe(0);
    const heldMs = performance.now() - began;
    await pause(200);
    for (const each of [running, unprotected]) await each.load.stop();
    printFact(
      'deregistered one and all',
      `held for ${heldMs.toFixed(0)} ms of a window of 3000; opted out: ${goneMs.toFixed(0)} ms`,
    );
    expect(heldLosses).toBe(0);
    expect(heldMs).toBeGreaterThanOrEqual(3_000);
    expect(heldMs).toBeLessThan(6_000);
    expect(running.load.lost[0]?.error?.details).toContain('0 instances in dc1');
    expect(running.log.some((line) => line.startsWith('warn no instance is listed any more'))).toBe(true);
  });

  it('is never believed when the token lost its permission', { timeout: 60_000 }, async () => {
    const dc1 = await start({ acl: true, mode: 'server' });
    const servers = await serve('p1', 'p2');
    await register(dc1, servers.instances);
    const rules = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }';
    const { secret } = await dc1.createToken(rules);
    const own = await dc1.request('GET', '/v1/acl/policies');
    const policies = (await own.json()) as { ID: string; Name: string }[];
    // Newer servers have further ones of their own: builtin/global-read-only.
    const policy = policies.find(({ Name }) => Name !== 'global-management' && !Name.startsWith('builtin/'));
    const running = await loadGraylane({
      consul: { address: dc1.address, token: secret, waitMs: 10_000 },
      datacenters: ['dc1'],
      protection: { windowMs: 1_000, confirmations: 2 },
    });
    opened(running, () => running.close());
    await dc1.request('PUT', `/v1/acl/policy/${policy?.ID}`, { Name: policy?.Name, Rules: '' });
    // A change of the service wakes the query, which now is answered with nobody.
    await dc1.setStatus('p1', 'warning');
    await expect.poll(() => running.datacenter()?.reason, { timeout: 15_000 }).toMatch(/want of permission/);
    await pause(5_000);
    expect(running.datacenter()).toMatchObject({ known: true, instances: 2, freshness: 'stale' });
    await dc1.request('PUT', `/v1/acl/policy/${policy?.ID}`, { Name: policy?.Name, Rules: rules });
    const granted = performance.now();
    await expect.poll(() => running.datacenter()?.freshness, { timeout: 20_000 }).toBe('fresh');
    await running.load.stop();
    printFact(
      'permission taken from the policy of the token',
      `${running.losses()}; fresh ${((performance.now() - granted) / 1_000).toFixed(1)} s after it was granted again`,
    );
    expect(running.load.lost).toEqual([]);
    expect(running.log.join('\n')).not.toContain(secret);
  });

  it('or a token that is deleted: what is known stays', { timeout: 60_000 }, async () => {
    const dc1 = await start({ acl: true, mode: 'server' });
    const servers = await serve('p1', 'p2');
    await register(dc1, servers.instances);
    const { secret, accessor } = await dc1.createToken(
      'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }',
    );
    const running = await loadGraylane({ consul: { address: dc1.address, token: secret }, datacenters: ['dc1'] });
    opened(running, () => running.close());
    await dc1.deleteToken(accessor);
    await dc1.setStatus('p1', 'warning');
    await expect.poll(() => running.datacenter()?.reason, { timeout: 10_000 }).toMatch(/HTTP 403/);
    await pause(1_000);
    expect(running.datacenter()).toMatchObject({ known: true, instances: 2, freshness: 'stale' });
    await running.load.stop();
    printFact('token deleted in mid-run', running.losses());
    expect(running.load.lost).toEqual([]);
    expect(running.log.join('\n')).not.toContain(secret);
  });
});

describe('a Consul that suddenly lists far fewer', () => {
  it('those that vanished serve where the rest cannot; explicit critical leaves at once', {
    timeout: 60_000,
  }, async () => {
    const dc1 = await start();
    const [left, vanishing] = [await serve('p1', 'p2'), await serve('p3', 'p4')];
    const all = [...left.instances, ...vanishing.instances];
    await register(dc1, left.instances);
    for (const { name, port } of vanishing.instances) {
      await dc1.request('PUT', '/v1/catalog/register', {
        Node: 'far',
        Address: '127.0.0.1',
        Service: { ID: name, Service: 'payments', Address: '127.0.0.1', Port: port },
      });
    }
    const running = await loadGraylane({
      consul: { address: dc1.address },
      datacenters: ['dc1'],
      policy: 'auto',
      // What the killed instances are working on is to be done again.
      policies: { payments: { schema: 1, service: 'payments', retry: {} } },
    });
    opened(running, () => running.close());
    await expect.poll(() => running.instances()).toHaveLength(all.length);
    await pause(300);
    // A node that is reaped takes its services with it.
    await dc1.request('PUT', '/v1/catalog/deregister', { Node: 'far' });
    await expect.poll(() => running.datacenter()).toMatchObject({ instances: 2, absent: 2, freshness: 'fresh' });
    expect(running.log.filter((line) => line.startsWith('error many instances vanished'))).toHaveLength(1);
    await pause(500);
    const killedAtMs = performance.now();
    await left.kill();
    await pause(2_000);
    const after = running.load.calls.filter(({ startedAtMs }) => startedAtMs > killedAtMs + 1_000);
    expect(after.length).toBeGreaterThan(50);
    expect(new Set(after.map(({ servedBy }) => servedBy))).toEqual(new Set(['p3', 'p4']));
    const lost = running.losses();
    const lostBefore = running.load.lost.length;
    await dc1.request('PUT', '/v1/catalog/register', {
      Node: 'far',
      Address: '127.0.0.1',
      Service: { ID: 'p3', Service: 'payments', Address: '127.0.0.1', Port: vanishing.instances[0]?.port },
      Check: { CheckID: 'service:p3', ServiceID: 'p3', Status: 'critical' },
    });
    await expect.poll(() => running.datacenter()).toMatchObject({ instances: 3, critical: 1, absent: 1 });
    const criticalAtMs = performance.now();
    await pause(1_000);
    const last = running.load.calls.filter(({ startedAtMs }) => startedAtMs > criticalAtMs + 200);
    expect(new Set(last.map(({ servedBy }) => servedBy))).toEqual(new Set(['p4']));
    await running.load.stop();
    printFact('half vanished in one answer, and the other half killed', lost);
    expect(lostBefore).toBe(0);
    expect(running.load.lost).toEqual([]);
  });
});
