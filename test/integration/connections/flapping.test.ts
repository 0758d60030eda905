import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createGraylane, type PolicyDocument } from '../../../src/index';
import { closeAfterAll } from '../../support/closers';
import type { ConsulDatacenter } from '../../support/consul/start';
import { startConsul } from '../../support/consul/start';
import { printFact } from '../../support/figure';
import { sliceOf } from '../../support/slice';
import { until } from '../../support/until';
import { type HeldServer, heldClient, holdCall, KINDS, startHeldServer } from './held-calls-server';

const FLAPS = 1_000;
const POLICY: PolicyDocument = {
  schema: 1,
  service: 'held',
  retry: 'off',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
};
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };

// Side by side: each takes longer than grpc-js' pool keeps a connection that nobody holds.
const opened = closeAfterAll();
const POOL_SWEEP_MS = 10_000;

interface Ground {
  readonly graylane: ReturnType<typeof createGraylane>;
  /** Has the calls. */
  readonly held: HeldServer;
  readonly other: HeldServer;
}

/** What changes an instance that has calls: `isAway` at every other flap. */
const FLAPPING: Readonly<Record<string, (ground: Ground, isAway: boolean, flap: number) => void>> = {
  'leaves the list': ({ graylane, held, other }, isAway) => {
    const members = isAway ? [other] : [held, other];
    graylane.setInstances(
      'held',
      members.map(({ instance }) => ({ ...instance, tags: ['stable'] })),
    );
  },
  'changes its subset': ({ graylane, held, other }, isAway) => {
    graylane.setInstances('held', [
      { ...held.instance, tags: [isAway ? 'canary' : 'stable'] },
      { ...other.instance, tags: ['stable'] },
    ]);
  },
  'is in no subset': ({ graylane, held, other }, isAway) => {
    graylane.setInstances('held', [
      { ...held.instance, tags: isAway ? [] : ['stable'] },
      { ...other.instance, tags: ['stable'] },
    ]);
  },
  'gets another weight, and 0': ({ graylane, held, other }, isAway, flap) => {
    graylane.setInstances('held', [
      { ...held.instance, tags: ['stable'], weight: isAway ? 0 : 1 + (flap % 5) },
      { ...other.instance, tags: ['stable'] },
    ]);
  },
  'has another ID each time': ({ graylane, held, other }, _, flap) => {
    graylane.setInstances('held', [
      { ...held.instance, id: `held-${flap}`, tags: ['stable'] },
      { ...other.instance, tags: ['stable'] },
    ]);
  },
  'is left out by the policy': ({ graylane }, isAway) => {
    graylane.setPolicy('held', isAway ? { ...POLICY, subsets: { stable: { tags: ['nobody'] } } } : POLICY);
  },
  'is balanced by another algorithm': ({ graylane }, isAway) => {
    graylane.setPolicy('held', isAway ? { ...POLICY, balancing: { algorithm: 'round_robin' } } : POLICY);
  },
  'is left out by an override': ({ graylane }, isAway) => {
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const override = { to: 'canary', until, by: 'test', reason: 'test' };
    graylane.setPolicy('held', isAway ? { ...POLICY, override } : POLICY);
  },
};

/** The same by real Consul: 1,000 writes, of which a client takes in five a second. */
const WRITTEN: Readonly<
  Record<string, (dc: ConsulDatacenter, isAway: boolean, register: () => Promise<void>) => Promise<void>>
> = {
  'is critical': (dc, isAway) => dc.setStatus('held-1', isAway ? 'critical' : 'passing'),
  'is in maintenance': (dc, isAway) => dc.setMaintenance('held-1', isAway),
  'is deregistered': (dc, isAway, register) => (isAway ? dc.deregister('held-1') : register()),
};

describe.concurrent('calls under way at an instance that comes and goes', { timeout: 120_000 }, () => {
  it.each(sliceOf(Object.keys(FLAPPING), 4))('1,000 times, that %s: none is cut', async (name) => {
    const [held, other] = await serving();
    const graylane = opened(
      createGraylane({
        instances: { held: [{ ...held.instance, tags: ['stable'] }] },
        policies: { held: POLICY },
        logger: QUIET,
      }),
      (each) => each.close(),
    );
    const calls = await begin(graylane, held);
    for (let flap = 0; flap < FLAPS; flap += 1) {
      FLAPPING[name]?.({ graylane, held, other }, flap % 2 === 0, flap);
      // Each is taken in by the balancer, not only the last.
      await pause((1.3 * POOL_SWEEP_MS) / FLAPS);
    }
    await endWell(name, calls, held);
  });

  it.each(sliceOf(Object.keys(WRITTEN), 1))('1,000 times in Consul, that %s: none is cut', async (name) => {
    const consul = opened(await startConsul(), (each) => each.stop());
    const dc = consul.dc('dc1');
    const [held, other] = await serving();
    const register = (server: HeldServer, id: string) => () =>
      dc.register({ name: 'held', id, ...server.instance, tags: ['stable'], status: 'passing' });
    await register(held, 'held-1')();
    await dc.putKv('graylane/policies/held', JSON.stringify(POLICY));
    const graylane = opened(
      createGraylane({ consul: { address: dc.address }, datacenters: ['dc1'], logger: QUIET }),
      (each) => each.close(),
    );
    await graylane.ready('held', { timeoutMs: 20_000 });
    const calls = await begin(graylane, held);
    await register(other, 'held-2')();
    for (let flap = 0; flap < FLAPS; flap += 1) {
      await pause((1.3 * POOL_SWEEP_MS) / FLAPS);
      await WRITTEN[name]?.(dc, flap % 2 === 0, register(held, 'held-1'));
    }
    await endWell(name, calls, held);
  });
});

async function serving(): Promise<[HeldServer, HeldServer]> {
  const kill = (server: HeldServer): void => server.kill();
  return [opened(await startHeldServer(), kill), opened(await startHeldServer(), kill)];
}

async function begin(graylane: Ground['graylane'], held: HeldServer) {
  const client = opened(heldClient(graylane.target('held'), graylane.clientOptions()), (each) => each.close());
  const calls = KINDS.map((kind) => holdCall(client, kind));
  // `expect.poll` belongs to one test, and they run side by side.
  await until(() => held.open === KINDS.length);
  return calls;
}

async function endWell(name: string, calls: readonly ReturnType<typeof holdCall>[], held: HeldServer): Promise<void> {
  const cut = calls.filter(({ status }) => status !== undefined).length;
  printFact(`1,000 times ${name}`, `${cut} of ${calls.length} calls under way cut`);
  held.finish();
  for (const { kind, ended } of calls) expect([kind, (await ended).code]).toEqual([kind, 0]);
}
