import { describe, expect, it, onTestFinished } from 'vitest';
import type { CommandEnded } from './built-command';
import { startLive } from './live-command';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld({ datacenters: ['dc1'] });
const rollout = (...args: readonly string[]): Promise<CommandEnded> => world.run(['rollout', ...args]);

/** A rollout that stands at 5 %, with a controller that prints what happens. */
async function underWay(service: string): Promise<ReturnType<typeof startLive>> {
  const agent = world.consul.dc('dc1');
  for (const [at, tag] of ['stable', 'canary'].entries()) {
    await agent.register({ name: service, id: `${service}-${tag}`, port: 4300 + at, tags: [tag] });
  }
  await agent.putKv(`graylane/policies/${service}`, JSON.stringify(policyOf(service, 0)));
  expect((await rollout('start', service, '--weights', '5,50', '--pause', '3600')).code).toBe(0);
  const live = startLive(['rollout', 'run', service], { CONSUL_HTTP_ADDR: agent.address });
  onTestFinished(() => live.kill());
  await live.line(/paused +5 % +for 3600 s/);
  return live;
}

describe('what people read when a policy is changed under a rollout', { timeout: 40_000 }, () => {
  it('by hand: the rollout stops and says who wrote what; it goes on from there', async () => {
    const live = await underWay('edited');
    const file = world.file('edited.json', policyOf('edited', 7));
    expect((await world.run(['policy', 'apply', file, '-m', 'a little more'])).code).toBe(0);
    const said = /the policy was changed: \S+ wrote number \d+ \("a little more"\)/;
    expect(await live.line(/paused .*the policy was changed/)).toMatch(said);
    expect((await rollout('status', 'edited')).stdout).toMatch(said);
    expect((await rollout('resume', 'edited')).stdout).toMatch(/^resumed edited: running, step 2 of 4/);
  });

  it('by an override: it stops, and cannot be resumed before the override is over', async () => {
    const live = await underWay('overridden');
    const set = await world.run([
      'override',
      'set',
      'overridden',
      '--to',
      'stable',
      '--ttl',
      '1h',
      '-m',
      'incident 42',
    ]);
    expect([set.code, set.stderr]).toEqual([0, '']);
    expect(await live.line(/paused .*an override/)).toMatch(
      /an override to stable is in force until \S+: \S+ wrote number \d+ \(".*incident 42.*"\)/,
    );
    const resumed = await rollout('resume', 'overridden');
    expect([resumed.code, resumed.stderr]).toEqual([
      1,
      expect.stringMatching(
        /^graylane: an override to stable is in force until \S+; run graylane override clear overridden\n$/,
      ),
    ]);
    expect((await world.run(['override', 'clear', 'overridden', '-m', 'over'])).code).toBe(0);
    expect((await rollout('resume', 'overridden')).code).toBe(0);
  });

  it.each([
    [
      'spoilt',
      { schema: 1, service: 'spoilt', subsets: { stable: {} }, routes: [{ name: 'all', to: 'canray' }] },
      /the policy in Consul is not valid: routes\[0\]\.to: "canray" \(expected: /,
    ],
    ['buried', { schema: 1, service: 'buried', tombstone: true }, /buried has no policy any more \(a tombstone\)/],
  ])(
    'so that it is none (%s): it stops, says why, cannot be resumed, and an abort names the emergency switch',
    async (service, document, why) => {
      const live = await underWay(service);
      await world.consul.dc('dc1').putKv(`graylane/policies/${service}`, JSON.stringify(document));
      expect(await live.line(/paused .*policy/)).toMatch(why);
      expect((await rollout('status', service)).stdout).toMatch(why);
      const resumed = await rollout('resume', service);
      expect([resumed.code, resumed.stderr]).toEqual([1, expect.stringMatching(why)]);
      expect(resumed.stderr).toMatch(/; write one with graylane policy apply\n$/);
      // Its weight cannot be taken out of what is no policy: said, with what stops the calls all the same.
      const aborted = await rollout('abort', service, '-m', 'enough');
      expect([aborted.code, aborted.stderr]).toEqual([1, expect.stringMatching(why)]);
      expect(aborted.stderr).toMatch(
        /is aborted, and its weight was not taken back: .*; run graylane override set --to stable/,
      );
    },
  );

  it('before it begins: start says what is wrong with the policy, and writes nothing', async () => {
    const start = (): Promise<CommandEnded> => rollout('start', 'unsound', '--weights', '5');
    expect((await start()).stderr).toBe('graylane: unsound has no policy; write one with graylane policy apply\n');
    await world.consul.dc('dc1').putKv('graylane/policies/unsound', '{"schema":1,"service":"unsound","default":"x"}');
    const refused = await start();
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(
        /^graylane: the policy in Consul is not valid: default: "x" \(expected: .*\); write one with graylane policy apply\n$/,
      ),
    ]);
    expect(await world.kv('graylane/rollouts/unsound')).toBeUndefined();
  });
});
