import { expect, it } from 'vitest';
import { closeAfterEach, pause } from '../support/closers';
import { startConsul } from '../support/consul/start';
import { printFact } from '../support/figure';
import { GRAY } from '../support/gray-policy';
import { startServerProcess } from '../support/server-process';
import { loadGraylane, register } from './fixtures/consul-load';

const opened = closeAfterEach();
const KEY = 'graylane/policies/payments';

const document = (more: object = {}): object => ({
  ...GRAY,
  ...more,
});

const bad: Readonly<Record<string, string | Buffer>> = {
  'cut in half': JSON.stringify(document()).slice(0, 60),
  'a misspelt subset': JSON.stringify(document({ default: 'satble' })),
  'negative weights': JSON.stringify(
    document({
      routes: [
        {
          name: 'all',
          split: [
            { to: 'canary', weight: -5 },
            { to: 'stable', weight: 105 },
          ],
        },
      ],
    }),
  ),
  'an unknown key': JSON.stringify(document({ routs: [] })),
  'another service': JSON.stringify({ ...document(), service: 'orders' }),
  'a future schema': JSON.stringify({ ...document(), schema: 2 }),
  blank: ' ',
  'no text': Buffer.from([0xff, 0xfe, 0x00, 0x80]),
};

it('bad policies are pushed: refused whole, told, and not one call goes elsewhere', { timeout: 60_000 }, async () => {
  const consul = opened(await startConsul(), (each) => each.stop());
  const dc1 = consul.dc('dc1');
  const stable = opened(await startServerProcess({ names: ['s1', 's2'] }), (each) => each.kill());
  const canary = opened(await startServerProcess({ names: ['c1'], version: 'canary' }), (each) => each.kill());
  await register(dc1, [...stable.instances, ...canary.instances]);
  await dc1.putKv(KEY, JSON.stringify(document()));
  const running = await loadGraylane({ consul: { address: dc1.address }, datacenters: ['dc1'], policy: 'kv' });
  opened(running, () => running.close());
  const policy = (): ReturnType<typeof running.graylane.inspect>['services'][number]['policy'] | undefined =>
    running.graylane.inspect().services[0]?.policy;
  const revision = policy()?.revision;
  for (const [name, text] of Object.entries(bad)) {
    await dc1.putKv(KEY, text);
    await expect
      .poll(() => policy()?.rejected !== undefined || policy()?.failure !== undefined, { timeout: 5_000 })
      .toBe(true);
    expect(policy()?.revision, name).toBe(revision);
    await pause(150);
    await dc1.putKv(KEY, JSON.stringify(document()));
    await expect.poll(() => [policy()?.rejected, policy()?.failure]).toEqual([undefined, undefined]);
  }
  await running.load.stop();
  const misrouted = running.load.calls.filter(({ servedBy }) => servedBy === 'c1').length;
  printFact(`${Object.keys(bad).length} bad policies pushed`, `${running.losses()}, ${misrouted} misrouted`);
  expect([running.load.lost, misrouted]).toEqual([[], 0]);
  const refusals = running.log.filter((line) => /^(error policy rejected|warn policy cannot be read)/.test(line));
  expect(refusals).toHaveLength(Object.keys(bad).length);
  // The good one works as ever.
  const again = JSON.stringify(document({ default: 'canary' }));
  await dc1.putKv(KEY, again);
  await expect.poll(() => policy()?.revision).not.toBe(revision);
});
