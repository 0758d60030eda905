import * as grpc from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import type { PolicyDocument } from '../../src/index';
import { createTestClient, type TestClient } from '../../src/testing';
import { closeAfterEach } from '../support/closers';
import {
  CHARGE,
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../support/payments';

const opened = closeAfterEach();

const policy: PolicyDocument = {
  schema: 1,
  service: 'payments',
  subsets: {
    stable: { tags: ['stable'] },
    canary: { tags: ['canary'], fallback: 'stable', breaker: { consecutiveFailures: 2 } },
  },
  default: 'stable',
  routes: [
    { name: 'testers', match: { labels: { 'x-gray': 'strict' } }, to: 'canary', strict: true },
    { name: 'gray', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
  ],
  breaker: { resetTimeoutMs: 10_000 },
  subsetBreaker: { resetTimeoutMs: 10_000 },
  retry: { maxAttempts: 2, retryableStatusCodes: ['UNAVAILABLE', 'INTERNAL'] },
};

interface World {
  readonly graylane: TestClient;
  readonly client: PaymentsClient;
  readonly canary: PaymentsServer;
}

async function open(): Promise<World> {
  const servers = await Promise.all(
    ['canary', 'canary', 'stable'].map((version, n) => startPaymentsServer({ name: `${version}-${n}`, version })),
  );
  for (const server of servers) opened(server, (each) => each.kill());
  const [canary, twin] = servers as [PaymentsServer, PaymentsServer];
  twin.behave({ code: grpc.status.INTERNAL });
  canary.behave({ code: grpc.status.INTERNAL });
  const graylane = createTestClient({
    policy,
    instances: servers.map(({ host, port, version, name }) => ({ id: name, address: host, port, tags: [version] })),
  });
  opened(graylane, () => graylane.close());
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  return { graylane, client, canary };
}

async function call({ client }: World, count: number, gray: string): Promise<(string | number)[]> {
  const outcomes: (string | number)[] = [];
  for (let n = 0; n < count; n += 1) {
    outcomes.push(
      await charge(client, { 'x-gray': gray }).then(
        ({ version }) => version,
        ({ code }: grpc.ServiceError) => code,
      ),
    );
  }
  return outcomes;
}

const explain = (graylane: TestClient): ReturnType<TestClient['explain']> =>
  graylane.explain('payments', { method: CHARGE, labels: { 'x-gray': 'canary' } });

it('tells of each breaker: views, events, explanation, and the opossum object of a subset', async () => {
  const world = await open();
  const { graylane } = world;
  const events: string[] = [];
  const stop = graylane.breakers.subscribe(({ service, key, event, from, state }) =>
    events.push(`${service} ${key} ${event}: ${from} -> ${state}`),
  );
  const circuit = graylane.breakers.opossum('payments', 'canary@local') as {
    opened: boolean;
    stats: { failures: number };
  };
  expect(circuit.opened).toBe(false);
  expect(await call(world, 20, 'canary')).toEqual(new Array(20).fill('stable'));
  expect(events.some((event) => /^payments local\/127\.0\.0\.1:\d+ open: closed -> open$/.test(event))).toBe(true);

  const [tier] = explain(graylane).tiers;
  const heldOut = tier?.endpoints.map((endpoint) => endpoint.heldOut).filter((why) => why !== undefined) ?? [];
  expect(heldOut.length).toBeGreaterThan(0);
  for (const why of heldOut) expect(why).toMatch(/^breaker open: .*, probe in \d+ ms$/);
  for (const { key, level, state, probesInMs, openedBecause } of graylane.breakers.list()) {
    if (state !== 'open') continue;
    expect([key, probesInMs]).toEqual([key, expect.toSatisfy((ms: number) => ms > 0 && ms <= 10_000)]);
    expect(openedBecause).toBeTruthy();
    expect(level).toBe(key.includes('@') ? 'subset' : 'endpoint');
  }
  expect(circuit.stats.failures).toBeGreaterThan(0);
  stop();
  const heard = events.length;
  (circuit as unknown as { open(): void }).open();
  expect(graylane.breakers.list().find(({ key }) => key === 'canary@local')?.state).toBe('open');
  expect(explain(graylane).tiers[0]?.shed?.state).toBe('open');
  expect(events).toHaveLength(heard);
});

it('takes new numbers from a new policy and keeps the state of its breakers', async () => {
  const world = await open();
  const { graylane } = world;
  await call(world, 20, 'canary');
  const before = graylane.breakers.list().filter(({ state }) => state === 'open');
  expect(before.length).toBeGreaterThan(0);
  graylane.setPolicy('payments', {
    ...policy,
    breaker: { resetTimeoutMs: 1_000 },
    subsetBreaker: { resetTimeoutMs: 1_000 },
  });
  await graylane.advance(0);
  for (const { key, counts } of before) {
    const now = graylane.breakers.list().find((view) => view.key === key);
    expect(now).toMatchObject({ state: 'open', counts });
    expect(now?.probesInMs).toBeLessThanOrEqual(1_000);
  }
  await graylane.advance(1_001);
  expect(graylane.breakers.list().filter(({ state }) => state === 'open')).toEqual([]);
});

it("keeps a subset's own numbers at a swap of the policy", async () => {
  const world = await open();
  const { graylane } = world;
  // One failure of one canary, and its breaker exists.
  await call(world, 1, 'canary');
  const [first] = graylane.breakers.list().filter(({ level, counts }) => level === 'endpoint' && counts.failures > 0);
  expect(first).toMatchObject({ state: 'closed', consecutiveFailures: 1 });
  graylane.setPolicy('payments', { ...policy, subsetBreaker: { resetTimeoutMs: 9_000 } });
  await graylane.advance(0);
  await call(world, 20, 'canary');
  const held = graylane.breakers.list().find(({ key }) => key === first?.key);
  expect(held).toMatchObject({ state: 'open', counts: { failures: 2 } });
});

it('never sheds a strict route', async () => {
  const world = await open();
  const { graylane, canary } = world;
  (graylane.breakers.opossum('payments', 'canary@local') as { open(): void }).open();
  await graylane.advance(0);
  expect(await call(world, 5, 'canary')).toEqual(new Array(5).fill('stable'));
  expect(await call(world, 5, 'strict')).toEqual(new Array(5).fill(grpc.status.INTERNAL));
  canary.behave(undefined);
  // Still shed for everybody else.
  expect(new Set(await call(world, 10, 'strict'))).toContain('canary');
  expect(await call(world, 5, 'canary')).toEqual(new Array(5).fill('stable'));
});
