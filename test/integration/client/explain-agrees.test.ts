import * as grpc from '@grpc/grpc-js';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random';
import type { PolicyDocument, RouteDocument } from '../../../src/index';
import { createTestClient, fakeService, type TestClient } from '../../../src/testing';
import { closeAfterEach } from '../../support/closers';
import { printFact } from '../../support/figure';
import { isLong } from '../../support/slice';
import { KEYS, METHODS, soundPolicy, VALUES } from '../../unit/policy/arbitrary-policy';

const closing = closeAfterEach();
const POLICIES = isLong ? 200 : 80;
const CALLS_PER_POLICY = 50;

const text = { serialize: (value: string) => Buffer.from(value), deserialize: (bytes: Buffer) => bytes.toString() };
const definition: grpc.ServiceDefinition = Object.fromEntries(
  METHODS.map((path) => [
    path,
    {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: text.serialize,
      requestDeserialize: text.deserialize,
      responseSerialize: text.serialize,
      responseDeserialize: text.deserialize,
    },
  ]),
);

const NEXT: PolicyDocument = {
  schema: 1,
  service: 'payments-v2',
  subsets: { blue: { tags: ['blue'] }, canary: { tags: ['canary'] } },
  default: 'blue',
};

/** Keeps the connections to the other service: a call that waits for one draws another number. */
const KEEPING = ['blue', 'canary'].map(
  (subset): RouteDocument => ({
    name: `keeping ${subset}`,
    match: { labels: { 'x-keeping': subset } },
    to: { service: 'payments-v2', subset },
  }),
);

const servedBy = (tiers: ReturnType<TestClient['explain']>['tiers']): string =>
  tiers.find(({ endpoints }) => endpoints.length > 0)?.endpoints[0]?.instance ?? 'nobody';

/** Real time plays no part here: a route with a millisecond's timeout, or a fault of minutes, would. */
function withoutTimes({ faults: _, ...policy }: PolicyDocument): PolicyDocument {
  return {
    ...policy,
    routes: [...KEEPING, ...(policy.routes ?? []).map(({ timeoutMs: _, fault: __, mirror: ___, ...route }) => route)],
  };
}

it(`explain agrees with what ${POLICIES * CALLS_PER_POLICY} real calls did, for ${POLICIES} random policies`, async () => {
  const policies = fc.sample(soundPolicy, { numRuns: POLICIES, seed: 42 }).map(withoutTimes);
  const subsets = Object.keys(policies[0]?.subsets ?? {});
  const services = await Promise.all(
    subsets.map(async (name) => {
      const handlers = Object.fromEntries(METHODS.map((path) => [path, () => name]));
      return closing(await fakeService(definition, handlers, { id: name, tags: [name] }), (one) => one.stop());
    }),
  );
  const own = services.map(({ instance }) => instance);
  const next = await Promise.all(
    ['blue', 'canary'].map(async (name) => {
      const handlers = Object.fromEntries(METHODS.map((path) => [path, () => `next-${name}`]));
      const one = await fakeService(definition, handlers, { id: `next-${name}`, tags: [name] });
      return closing(one, (each) => each.stop()).instance;
    }),
  );
  const there = [...own, ...next].map((each) => ({ ...each, datacenter: 'dc1' }));
  const instances = { payments: there.slice(0, own.length), 'payments-v2': there.slice(own.length) };
  const open = (): TestClient =>
    closing(
      createTestClient({ instances, policies: { 'payments-v2': NEXT }, serviceName: 'orders', seed: 7 }),
      (graylane) => graylane.close(),
    );
  const calling = open();
  const asked = open();
  await asked.ready('payments');
  const client = new grpc.Client(
    calling.target('payments'),
    grpc.credentials.createInsecure(),
    calling.clientOptions(),
  );
  const random = seededRandom(3);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const call = (method: string, labels: Readonly<Record<string, string>>): Promise<string> =>
    new Promise((resolve) =>
      client.makeUnaryRequest(
        method,
        text.serialize,
        text.deserialize,
        'x',
        calling.metadata(labels),
        { deadline: Date.now() + 10_000 },
        // Nobody is at the places that some routes are pinned to.
        (error, reply) =>
          resolve(error === null ? (reply ?? '') : error.details.includes('0 instances') ? 'nobody' : error.details),
      ),
    );

  for (const each of [calling, asked]) each.setPolicy('payments', { schema: 1, service: 'payments', routes: KEEPING });
  for (const name of ['blue', 'canary']) {
    await expect.poll(() => call(pick(METHODS), { 'x-keeping': name })).toBe(`next-${name}`);
  }
  const disagreements: string[] = [];
  const routes = new Set<string>();
  let byChance = 0;
  for (const [index, policy] of policies.entries()) {
    calling.setPolicy('payments', policy);
    asked.setPolicy('payments', policy);
    for (let made = 0; made < CALLS_PER_POLICY; made += 1) {
      const method = pick(METHODS);
      const labels = Object.fromEntries(KEYS.filter(() => random() < 0.7).map((key) => [key, pick(VALUES)]));
      const { routing, tiers } = asked.explain('payments', { method, labels });
      const served = await call(method, labels);
      const decided = calling.decisions.at(-1);
      // Both clients draw the same row of numbers, so what goes by chance goes alike.
      if (!routing.sticky && routing.bucket !== undefined) byChance += 1;
      const told = `${routing.decision.route} ${routing.decision.subset} ${routing.sticky} ${servedBy(tiers)}`;
      const done = `${decided?.route} ${decided?.subset} ${decided?.sticky} ${served}`;
      if (told !== done) disagreements.push(`policy ${index}, ${method} ${JSON.stringify(labels)}: ${told} / ${done}`);
      routes.add(`${index} ${routing.decision.route}`);
    }
  }
  client.close();
  expect(disagreements.slice(0, 5)).toEqual([]);
  // Proof that more than defaults were met.
  expect(routes.size).toBeGreaterThan(POLICIES);
  expect(byChance).toBeGreaterThan(POLICIES);
  printFact(
    'explain against real calls',
    `${POLICIES * CALLS_PER_POLICY} of ${calling.decisions.length} agree, ${routes.size} routes met, ${byChance} by chance`,
  );
}, 120_000);
