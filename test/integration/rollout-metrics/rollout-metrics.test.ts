import { describe, expect, it, onTestFinished } from 'vitest';
import { createGraylane } from '../../../src/index';
import { startRecordingProxy } from '../../support/consul/recording-proxy';
import { charge, paymentsClient } from '../../support/payments';
import { quickly, serve, startCaller, startController } from '../rollout/collector/figures-world';
import { rolloutWorld } from '../rollout/rollout-world';

const world = rolloutWorld();
/** Its window stays open until the test has ended. */
const held = {
  steps: [{ setWeight: 50 }, { pause: {} }],
  analysis: quickly({ background: true, checks: [{ check: 'request-success-rate', threshold: 90 }] }),
} as const;

async function announced(service: string) {
  const { address, collecting } = await startController(world, service);
  await expect.poll(async () => (await world.record(service)).progress.window?.kind).toBe('background');
  const { progress } = await world.record(service);
  const request = { service, canary: 'canary', stable: 'stable', sinceMs: 0, nowMs: 0 };
  const sum = async () => {
    const { canary, stable } = await collecting.measure(progress, request);
    // What ends while this process stands still says nothing, and is counted apart.
    return [canary, stable].reduce((all, each) => all + (each?.calls ?? 0) + (each?.neutral ?? 0), 0);
  };
  const clients = async () => {
    const text = await (await fetch(`${address}/metrics`)).text();
    return Number(new RegExp(`graylane_rollout_clients{graylane_service="${service}"} (\\d+)`).exec(text)?.[1]);
  };
  return { sum, clients };
}

describe('a Graylane client that reports figures', { timeout: 30_000 }, () => {
  it('refuses what is no switch', () => {
    expect(() => createGraylane({ reportRolloutMetrics: 'yes' as never })).toThrow(
      'reportRolloutMetrics: "yes" (expected: true or false)',
    );
  });

  it('that is closed after its last call has reported that call, too', async () => {
    await serve(world, 'closed');
    await world.begin('closed', held);
    const { sum, clients } = await announced('closed');
    const caller = await startCaller(world, 'closed', { perSecond: 0 });
    await expect.poll(clients, { timeout: 5000 }).toBe(1);
    await caller.run(30);
    await caller.graylane.close();
    expect(await sum()).toBe(30);
  });

  it('counts two targets of one service as one client with one query, which ends with the last channel', async () => {
    await serve(world, 'twice');
    await world.begin('twice', held);
    const { sum, clients } = await announced('twice');
    const proxy = await startRecordingProxy(world.consul.dc('dc1').address);
    onTestFinished(() => proxy.stop());
    const graylane = createGraylane({
      consul: { address: proxy.address },
      stateDirectory: false,
      reportRolloutMetrics: true,
    });
    onTestFinished(() => graylane.close());
    const open = () => proxy.openPaths().filter((path) => path.includes('collector'));
    const both = [graylane.target('twice'), graylane.target('twice', { datacenters: ['dc1'] })].map((target) =>
      paymentsClient(target, graylane.clientOptions()),
    );
    for (const client of both) await charge(client);
    await expect.poll(clients, { timeout: 5000 }).toBe(1);
    const before = await sum();
    for (let at = 0; at < 20; at += 1) for (const client of both) await charge(client);
    both[0]?.close();
    await expect.poll(sum, { timeout: 5000 }).toBe(before + 40);
    expect([open().length, await clients()]).toEqual([1, 1]);
    both[1]?.close();
    await expect.poll(open).toEqual([]);
    expect(await sum()).toBe(before + 40);
  });
});
