import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { quickly, serve, startCaller } from '../rollout/collector/figures-world';
import { startLive } from './live-command';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld();
const DATACENTERS = ['dc1', 'dc2'] as const;
const SERVICE = 'payments';

describe('graylane rollout run --listen --dc dc1,dc2', { timeout: 90_000 }, () => {
  it('judges each datacenter by its own clients, at one port', async () => {
    const file = world.file('rollout.json', {
      ...{ schema: 1, service: SERVICE, canary: 'canary', stable: 'stable' },
      steps: [{ setWeight: 50 }, { analysis: {} }, { setWeight: 100 }],
      analysis: quickly({ count: 3 }),
    });
    for (const datacenter of DATACENTERS) {
      const { canary } = await serve(world, SERVICE, datacenter);
      if (datacenter === 'dc2') canary.behave({ code: status.INTERNAL, every: 2 });
      const agent = world.consul.dc(datacenter);
      await agent.putKv(`graylane/policies/${SERVICE}`, JSON.stringify(policyOf(SERVICE, 0)));
      await startCaller(world, SERVICE, { address: agent.address });
      const started = await world.run(['rollout', 'start', SERVICE, '--file', file, '--dc', datacenter]);
      expect([started.code, started.stderr]).toEqual([0, expect.any(String)]);
    }
    const live = startLive(['rollout', 'run', '--dc', DATACENTERS.join(), '--listen', '127.0.0.1:0'], {
      CONSUL_HTTP_ADDR: world.consul.dc('dc1').address,
    });
    const [, address = ''] = /listens at (\S+)/.exec(await live.note(/listens at /)) ?? [];
    const metrics = async (): Promise<string> => (await fetch(`${address}/metrics`)).text();
    for (const datacenter of DATACENTERS) {
      const labels = `graylane_service="${SERVICE}",graylane_datacenter="${datacenter}"`;
      await expect.poll(metrics, { timeout: 30_000 }).toContain(`graylane_rollout_clients{${labels}} 1\n`);
    }
    await live.line(/ payments in dc2 .* rollback /);
    await live.line(/ payments in dc1 .* completed /);
    const text = await metrics();
    // A family is told once, whatever the number of datacenters.
    expect(text.match(/^# TYPE graylane_rollout_ended_total /gm)).toHaveLength(1);
    for (const [datacenter, state] of [
      ['dc1', 'completed'],
      ['dc2', 'taken_back'],
    ] as const) {
      const labels = `graylane_service="${SERVICE}",graylane_datacenter="${datacenter}",graylane_state="${state}"`;
      expect(text).toContain(`graylane_rollout_ended_total{${labels}} 1\n`);
    }
    expect(await live.interrupt()).toBe(0);
  });
});
