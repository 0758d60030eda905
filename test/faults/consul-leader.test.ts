import { expect, it } from 'vitest';
import { closeAfterEach, pause } from '../support/closers';
import { printFact } from '../support/figure';
import { startServerProcess } from '../support/server-process';
import { loadGraylane, register } from './fixtures/consul-load';
import { type QuorumServer, startQuorum } from './fixtures/consul-quorum';

const opened = closeAfterEach();

it('the leader of three servers is lost: no call with it, and news go on under the next one', {
  timeout: 90_000,
}, async () => {
  const quorum = opened(await startQuorum(), (each) => each.stop());
  const leader = await quorum.leader();
  const others = quorum.servers.filter((server) => server !== leader) as [QuorumServer, QuorumServer];
  const servers = opened(await startServerProcess({ names: ['p1', 'p2', 'p3'] }), (each) => each.kill());
  await register(others[0], servers.instances.slice(0, 2));
  // The leader first: its loss is also the loss of the agent that is asked.
  const running = await loadGraylane({
    consul: { address: [leader.address, ...others.map(({ address }) => address)] },
    datacenters: ['dc1'],
  });
  opened(running, () => running.close());
  await pause(500);
  const killedAtMs = performance.now();
  await leader.kill();
  expect(await quorum.leader()).not.toBe(leader);
  const electedMs = performance.now() - killedAtMs;
  await register(others[0], servers.instances.slice(2));
  await expect.poll(() => running.instances(), { timeout: 31_000, interval: 5 }).toHaveLength(3);
  const heardMs = performance.now() - killedAtMs;
  await running.load.stop();
  printFact(
    'leader of three servers killed, the one that was asked',
    `${running.losses()}; next leader after ${electedMs.toFixed(0)} ms, news by another server after ${heardMs.toFixed(0)} ms`,
  );
  expect(running.load.lost).toEqual([]);
  expect(running.datacenter()).toMatchObject({ freshness: 'fresh', isHeld: false, absent: 0 });
});
