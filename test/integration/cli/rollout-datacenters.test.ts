import { describe, expect, it } from 'vitest';
import { startLive } from './live-command';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld();

/** Registers an instance of each subset in the datacenter, and puts a policy with 0 % canary in force there. */
async function serve(service: string, datacenter: string): Promise<void> {
  const agent = world.consul.dc(datacenter);
  for (const [at, tag] of ['stable', 'canary'].entries()) {
    await agent.register({ name: service, id: `${service}-${tag}`, port: 4100 + at, tags: [tag] });
  }
  await agent.putKv(`graylane/policies/${service}`, JSON.stringify(policyOf(service, 0)));
}

async function weightIn(service: string, datacenter: string): Promise<number | undefined> {
  const { routes } = JSON.parse((await world.kv(`graylane/policies/${service}`, datacenter)) ?? '{}');
  return routes[0].split[1].weight;
}

describe('graylane rollout --dc', { timeout: 60_000 }, () => {
  it('starts, drives, shows and aborts the rollout of another datacenter, and leaves the own one alone', async () => {
    for (const datacenter of ['dc1', 'dc2']) await serve('afar', datacenter);
    const there = ['--dc', 'dc2'];
    const start = ['rollout', 'start', 'afar', '--weights', '30,60', '--pause', '600', ...there];
    expect((await world.run(start)).code).toBe(0);
    expect(await world.kv('graylane/rollouts/afar')).toBeUndefined();
    const live = startLive(['rollout', 'run', '--dc', 'dc1,dc2'], {
      CONSUL_HTTP_ADDR: world.consul.dc('dc1').address,
    });
    await live.note(/^graylane: afar in dc2: this controller drives the rollout$/);
    await expect.poll(() => weightIn('afar', 'dc2')).toBe(30);
    expect(await weightIn('afar', 'dc1')).toBe(0);
    const shown = await world.run(['rollout', 'status', 'afar', '--dc', 'all']);
    expect(shown.stdout).toMatch(/^afar in dc2 \S+ {2}paused \(for 600 s\), step 2 of 4, canary at 30 %/);
    expect(shown.stdout).toContain('driven by ');
    expect((await world.run(['rollout', 'status', 'afar'])).stderr).toMatch(/^graylane: afar has no rollout; /);
    expect(await live.interrupt()).toBe(0);
    // With the session of its controller gone nobody leads it.
    const { json } = await world.runJson<readonly object[]>(['rollout', 'status', 'afar', ...there]);
    expect(json).toMatchObject([{ service: 'afar', datacenter: 'dc2', controller: null, weight: 30 }]);
    expect((await world.run(['rollout', 'abort', 'afar', ...there])).code).toBe(0);
    expect(await weightIn('afar', 'dc2')).toBe(0);
    const watched = await world.run(['rollout', 'status', 'afar', '--watch', ...there]);
    expect([watched.code, watched.stdout]).toEqual([3, expect.stringMatching(/ afar in dc2 aborted /)]);
  });

  it.each([
    [['start', 'one', '--weights', '5', '--dc', 'dc1,dc2'], /--dc: dc1, dc2 \(expected: one datacenter/],
    [['run', '--once', 'one', '--dc', 'dc1,dc2'], /--once: with 2 datacenters \(expected: one\)/],
  ])('%s is refused', async (args, message) => {
    const { code, stderr } = await world.run(['rollout', ...args]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  it('refuses a datacenter that there is not', async () => {
    const { code, stderr } = await world.run(['rollout', 'run', '--dc', 'dc9']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/--dc: dc9 \(expected: what Consul at .* dc1, dc2\)/)]);
  });

  it('says which datacenter gives no session', async () => {
    await world.consul.dc('dc2').kill();
    const live = startLive(['rollout', 'run', '--dc', 'dc2'], { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address });
    await live.note(/rollouts in dc2: nothing moves: /);
    expect(await live.interrupt()).toBe(0);
  });
});
