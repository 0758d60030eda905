import { describe, it } from 'vitest';
import { pause } from '../support/closers';
import { type ConsulDatacenter, startConsul } from '../support/consul/start';
import { printFact } from '../support/figure';
import { startServerProcess } from '../support/server-process';
import { loadGraylane, register } from './fixtures/consul-load';
import { slowestMs } from './fixtures/load';

/** The shortest that can be asked for, so that the longest silence is 10 x 17/16 + 10 s. */
const WAIT_MS = 10_000;
const BOUND_MS = (WAIT_MS * 17) / 16 + 10_000;

// Both at once: they mostly wait.
describe.concurrent('a Consul that is frozen', () => {
  it('is noticed when a query is overdue, and loses no call', { timeout: 60_000 }, async ({ expect }) => {
    const consul = await startConsul();
    const dc1 = consul.dc('dc1');
    const servers = await startServerProcess({ names: ['p1', 'p2'] });
    await register(dc1, servers.instances);
    const running = await loadGraylane({ consul: { address: dc1.address, waitMs: WAIT_MS }, datacenters: ['dc1'] });
    try {
      dc1.freeze();
      const frozenAtMs = performance.now();
      await expect.poll(() => running.datacenter()?.freshness, { timeout: BOUND_MS + 10_000 }).toBe('stale');
      const noticedMs = performance.now() - frozenAtMs;
      dc1.thaw();
      const thawedAtMs = performance.now();
      await expect.poll(() => running.datacenter()?.freshness, { timeout: 15_000 }).toBe('fresh');
      const freshMs = performance.now() - thawedAtMs;
      await running.load.stop();
      printFact(
        'agent frozen, wait 10 s',
        `${running.losses()}; noticed after ${(noticedMs / 1_000).toFixed(1)} s, fresh ${(freshMs / 1_000).toFixed(1)} s after it thawed`,
      );
      expect(noticedMs).toBeLessThanOrEqual(BOUND_MS + 500 + slowestMs(running.load.calls));
      expect(running.load.lost).toEqual([]);
    } finally {
      await running.close();
      await servers.kill();
      await consul.stop();
    }
  });

  it('in one datacenter of three leaves the others alone', { timeout: 60_000 }, async ({ expect }) => {
    const names = ['dc1', 'dc2', 'dc3'];
    const consul = await startConsul({ datacenters: names });
    const servers = await startServerProcess({ names: [...names, 'late'] });
    for (const [at, name] of names.entries()) await register(consul.dc(name), servers.instances.slice(at, at + 1));
    const running = await loadGraylane({
      consul: { address: consul.dc('dc1').address, waitMs: WAIT_MS },
      datacenters: names,
    });
    const states = (): unknown =>
      running.graylane.inspect().services[0]?.datacenters.map(({ freshness, instances }) => [freshness, instances]);
    try {
      await expect.poll(states).toEqual(names.map(() => ['fresh', 1]));
      const answersItself = await hasOwnList(consul.dc('dc1'), 'dc2');
      consul.dc('dc2').freeze();
      const frozenAtMs = performance.now();
      await pause(2_000);
      // A change elsewhere is heard of at once, meanwhile and afterwards.
      const registeredAtMs = performance.now();
      await register(consul.dc('dc3'), servers.instances.slice(3));
      await expect.poll(() => running.datacenter(2)?.instances, { interval: 5 }).toBe(2);
      const heardMs = performance.now() - registeredAtMs;
      const freshness = (): unknown => running.datacenter(1)?.freshness;
      // The agent of dc1 may answer for a datacenter that it lost: either way it does not stay fresh. Where the agent has
      // a list of its own, it says of no answer how old it is.
      if (answersItself) await pause(BOUND_MS - (performance.now() - frozenAtMs));
      else await expect.poll(freshness, { timeout: BOUND_MS + 10_000 }).toBe('stale');
      const noticedMs = performance.now() - frozenAtMs;
      expect(states()).toEqual([
        ['fresh', 1],
        [answersItself ? 'fresh' : 'stale', 1],
        ['fresh', 2],
      ]);
      consul.dc('dc2').thaw();
      const thawedAtMs = performance.now();
      await expect.poll(() => running.datacenter(1)?.freshness, { timeout: 31_000 }).toBe('fresh');
      const freshMs = performance.now() - thawedAtMs;
      await running.load.stop();
      printFact(
        'one datacenter of three frozen, wait 10 s',
        `${running.losses()}; noticed after ${(noticedMs / 1_000).toFixed(1)} s, fresh ${(freshMs / 1_000).toFixed(1)} s after it thawed; ` +
          `a change in another heard of after ${heardMs.toFixed(0)} ms`,
      );
      expect(noticedMs).toBeLessThanOrEqual(BOUND_MS + 500 + slowestMs(running.load.calls));
      expect(running.load.lost).toEqual([]);
    } finally {
      await running.close();
      await servers.kill();
      await consul.stop();
    }
  });
});

/** Whether an agent streams lists of that datacenter, as newer ones do, and answers from what it has. */
async function hasOwnList(agent: ConsulDatacenter, datacenter: string): Promise<boolean> {
  const answer = await agent.request('GET', `/v1/health/service/payments?stale=1&dc=${datacenter}&index=1&wait=1s`);
  return answer.headers.get('x-consul-query-backend') === 'streaming';
}
