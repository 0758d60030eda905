import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { GuardDocument, PolicyDocument, SubsetDocument } from '../../src/index';
import { createTestClient, type TestClient, type TestClientOptions } from '../../src/testing';
import { closeAfterEach } from '../support/closers';
import { printFact } from '../support/figure';
import { graySplit } from '../support/gray-policy';
import {
  CHARGE,
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../support/payments';

const opened = closeAfterEach();

const policyWith = (guard: GuardDocument | undefined, canary: SubsetDocument = {}): PolicyDocument => ({
  schema: 1,
  service: 'payments',
  subsets: {
    stable: { tags: ['stable'] },
    canary: { tags: ['canary'], fallback: 'stable', ...canary, ...(guard === undefined ? {} : { guard }) },
  },
  default: 'stable',
  routes: [
    { name: 'testers', match: { labels: { 'x-gray': 'strict' } }, to: 'canary', strict: true },
    {
      name: 'everyone',
      split: graySplit(30),
    },
  ],
  retry: 'off',
});

interface World {
  readonly graylane: TestClient;
  readonly client: PaymentsClient;
  readonly stable: readonly PaymentsServer[];
  readonly canary: readonly PaymentsServer[];
}

/** A stable and a canary in each of two datacenters, real servers; the Graylane client's time stands still. */
async function open(policy: PolicyDocument, options: TestClientOptions = {}): Promise<World> {
  const [stable, canary] = await Promise.all(
    ['stable', 'canary'].map((version) =>
      Promise.all(
        ['dc1', 'dc2'].map(async (datacenter) =>
          opened(await startPaymentsServer({ name: `${version}-${datacenter}`, version, datacenter }), (server) =>
            server.kill(),
          ),
        ),
      ),
    ),
  );
  const world = { stable: stable ?? [], canary: canary ?? [] };
  return { ...world, ...(await openGraylane(policy, world, options)) };
}

async function openGraylane(
  policy: PolicyDocument,
  { stable, canary }: Pick<World, 'stable' | 'canary'>,
  options: TestClientOptions = {},
): Promise<Pick<World, 'graylane' | 'client'>> {
  const instances = [...stable, ...canary].map(({ name, host, port, version, datacenter }) => ({
    id: name,
    address: host,
    port,
    tags: [version],
    datacenter,
  }));
  const graylane = createTestClient({ policy, instances, datacenters: ['dc1', 'dc2'], ...options });
  opened(graylane, () => graylane.close());
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  return { graylane, client };
}

const calls = (servers: readonly PaymentsServer[]): number => servers.reduce((sum, server) => sum + server.calls, 0);

/** Calls one after another; each `everyNth` one that one of these servers gets is answered with INTERNAL. */
async function run(
  client: PaymentsClient,
  count: number,
  ill: readonly PaymentsServer[] = [],
  everyNth = 5,
  until: () => boolean = () => false,
): Promise<{ readonly lost: number; readonly made: number }> {
  const turns = new Map(ill.map((server) => [server, server.calls]));
  let lost = 0;
  for (let made = 0; made < count; made += 1) {
    if (until()) return { lost, made };
    for (const [server, since] of turns) {
      const isTurn = (server.calls - since) % everyNth === everyNth - 1;
      server.behave(isTurn ? { code: grpc.status.INTERNAL } : undefined);
    }
    await charge(client).catch(() => {
      lost += 1;
    });
  }
  for (const server of ill) server.behave(undefined);
  return { lost, made: count };
}

const guardOf = (graylane: TestClient) => graylane.inspect().services[0]?.guards[0];
const isShed = (graylane: TestClient): boolean => guardOf(graylane)?.heldForMs !== undefined;

describe('a canary that fails a fifth of its calls, where its breaker opens at half', () => {
  it('is shed by its guard in every datacenter and by every channel, and comes back when cured', async () => {
    const { graylane, client, canary } = await open(policyWith({}));
    const second = paymentsClient(
      graylane.target('payments'),
      graylane.clientOptions({ 'grpc.use_local_subchannel_pool': 1 }),
    );
    const events: string[] = [];
    graylane.breakers.subscribe(({ key, event, state }) => events.push(`${key} ${event} ${state}`));
    await run(client, 200);
    const before = calls(canary);
    const { lost } = await run(client, 3_000, canary, 5, () => isShed(graylane));
    const taken = calls(canary) - before;
    printFact('guard, canary fails 20 %, 30 % of the calls', `shed after ${taken} canary calls, ${lost} calls lost`);
    expect(isShed(graylane)).toBe(true);
    expect(taken).toBeLessThan(200);
    expect(lost).toBeLessThanOrEqual(40);
    // Calls of both that may be retried or not, to either datacenter: nobody gets there.
    for (const server of canary) server.behave({ code: grpc.status.INTERNAL });
    const shedAt = calls(canary);
    expect((await run(client, 200)).lost + (await run(second, 100)).lost).toBe(0);
    expect(calls(canary)).toBe(shedAt);
    expect(events.sort()).toEqual(['canary@dc1 open open', 'canary@dc2 open open']);

    await graylane.advance(60_000);
    for (const server of canary) server.behave(undefined);
    await run(client, 200);
    // All of its share, at once.
    expect((calls(canary) - shedAt) / 200).toBeGreaterThan(0.2);
    expect(isShed(graylane)).toBe(false);
    expect(guardOf(graylane)).toMatchObject({ trips: 1, counts: { failures: 0 } });
    expect(events).toHaveLength(4);
  });

  it('says so wherever one looks', async () => {
    const { graylane, client, canary } = await open(policyWith({}));
    await run(client, 3_000, canary, 5, () => isShed(graylane));
    const because = guardOf(graylane)?.because ?? '';
    expect(because).toMatch(/^guard: \d+ of \d+ failed, stable 0 of \d+$/);
    const views = graylane.breakers.list().filter(({ level }) => level === 'subset');
    expect(views.map(({ key }) => key)).toEqual(['canary@dc1', 'canary@dc2']);
    for (const view of views) expect(view).toMatchObject({ state: 'open', openedBecause: because });
    const circuit = graylane.breakers.opossum('payments', 'canary@dc1') as { opened: boolean };
    expect(circuit.opened).toBe(true);
    const shed = (): readonly (string | undefined)[] => {
      const force = { subset: 'canary', strict: false };
      const { tiers } = graylane.explain('payments', { method: CHARGE, force });
      return tiers.map((tier) => tier.shed?.openedBecause);
    };
    expect(shed()).toEqual([because, because, undefined, undefined]);
    await graylane.advance(60_000);
    expect(shed()).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('is still called by strict routes and by force', async () => {
    const { graylane, client, canary } = await open(policyWith({}));
    await run(client, 3_000, canary, 5, () => isShed(graylane));
    for (const server of canary) server.behave(undefined);
    for (let call = 0; call < 5; call += 1) {
      expect((await charge(client, { 'x-gray': 'strict' })).version).toBe('canary');
      const forced = graylane.with({ force: { subset: 'canary' } }, () => charge(client));
      expect((await forced).version).toBe('canary');
    }
    expect(isShed(graylane)).toBe(true);
    expect(guardOf(graylane)?.counts.calls).toBeLessThan(200);
  });

  it('goes on in a client of its own mind', async () => {
    const { graylane, client, stable, canary } = await open(policyWith({}));
    const other = await openGraylane(policyWith({}), { stable, canary }, { seed: 2 });
    await run(other.client, 50);
    await run(client, 3_000, canary, 5, () => isShed(graylane));
    expect([isShed(graylane), isShed(other.graylane)]).toEqual([true, false]);
    for (const server of canary) server.behave(undefined);
    const before = calls(canary);
    await run(other.client, 100);
    expect(calls(canary) - before).toBeGreaterThan(10);
  });

  it('goes on while its guard is a dry run, and without one', async () => {
    for (const guard of [undefined, { dryRun: true }]) {
      const { graylane, client, canary } = await open(policyWith(guard));
      await run(client, 1_000, canary);
      const before = calls(canary);
      await run(client, 100, canary);
      expect(calls(canary) - before).toBeGreaterThan(10);
      expect(graylane.breakers.list().every(({ state }) => state === 'closed')).toBe(true);
      expect(guardOf(graylane)?.trips).toBe(guard === undefined ? undefined : 1);
    }
  });
});

describe('a guard', () => {
  it('leaves a canary alone that is as bad as stable', async () => {
    const { graylane, client, stable, canary } = await open(policyWith({}));
    await run(client, 1_500, [...stable, ...canary]);
    const { counts, againstCounts, trips } = guardOf(graylane) ?? {};
    expect(trips).toBe(0);
    expect((counts?.failures ?? 0) / (counts?.calls ?? 1)).toBeCloseTo(0.2, 1);
    expect((againstCounts?.failures ?? 0) / (againstCounts?.calls ?? 1)).toBeCloseTo(0.2, 1);
  });

  it('that a new policy no longer has lets go at once; other numbers keep what was counted', async () => {
    const { graylane, client, canary } = await open(policyWith({}));
    await run(client, 3_000, canary, 5, () => isShed(graylane));
    graylane.setPolicy('payments', policyWith(undefined));
    await graylane.advance(0);
    expect(graylane.inspect().services[0]?.guards).toEqual([]);
    expect(graylane.breakers.list().every(({ state }) => state === 'closed')).toBe(true);
    const before = calls(canary);
    await run(client, 100);
    expect(calls(canary) - before).toBeGreaterThan(10);

    graylane.setPolicy('payments', policyWith({ minimumCalls: 100_000 }));
    await graylane.advance(0);
    await run(client, 600, canary);
    const counted = guardOf(graylane)?.counts;
    expect(counted?.failures).toBeGreaterThan(20);
    expect(isShed(graylane)).toBe(false);
    graylane.setPolicy('payments', policyWith({ minimumCalls: 10, windowMs: 30_000 }));
    await graylane.advance(0);
    expect(guardOf(graylane)?.counts).toEqual(counted);
    const { made } = await run(client, 100, canary, 5, () => isShed(graylane));
    expect(made).toBeLessThan(100);
  });

  it('sheds where the breaker of the subset is off', async () => {
    const off = { subsetBreaker: { enabled: false }, breaker: { enabled: false } };
    const { graylane, client, canary } = await open(policyWith({}, off));
    await run(client, 100);
    const before = calls(canary);
    await run(client, 1_000, canary, 1, () => isShed(graylane));
    expect(isShed(graylane)).toBe(true);
    expect(calls(canary) - before).toBeLessThan(40);
    const shedAt = calls(canary);
    await run(client, 100, canary, 1);
    expect(calls(canary)).toBe(shedAt);
  });

  it('has nothing to compare in observe mode', async () => {
    const { graylane, client, canary } = await open(policyWith({}), { mode: 'observe' });
    await run(client, 300, canary, 2);
    expect(graylane.inspect().services[0]?.guards).toEqual([]);
    expect(graylane.breakers.list().filter(({ level }) => level === 'subset')).toEqual([]);
  });
});
