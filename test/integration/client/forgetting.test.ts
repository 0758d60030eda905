import { queryObjects } from 'node:v8';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Pool } from '../../../src/client/balancer/tiers/pool';
import { Topology } from '../../../src/client/balancer/tiers/topology';
import { createGraylane, type Graylane, type PolicyDocument, type StaticInstance } from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';
import { printFact } from '../../support/figure';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { sliceOf } from '../../support/slice';

const opened = closeAfterEach();
const CHANGES = 200;

let servers: PaymentsServer[];
beforeEach(async () => {
  servers = await Promise.all([1, 2, 3].map((number) => startPaymentsServer({ name: `p${number}` })));
});
afterEach(() => {
  for (const server of servers) server.kill();
});

function policy(more: Partial<PolicyDocument> = {}): PolicyDocument {
  return {
    schema: 1,
    service: 'payments',
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
    default: 'stable',
    ...more,
  } as PolicyDocument;
}

/** Two of stable and one canary, the last of which is told `more`. */
function instances(more: Partial<StaticInstance> = {}): StaticInstance[] {
  return servers.map(({ host, port }, at) => ({
    address: host,
    port,
    tags: [at < 2 ? 'stable' : 'canary'],
    ...(at === 2 ? more : {}),
  }));
}

/** What changes again and again; `flip` is another number each time. */
const KINDS: Readonly<Record<string, (graylane: Graylane, flip: number) => void>> = {
  'an instance leaves and comes': (graylane, flip) =>
    graylane.setInstances('payments', instances().slice(0, 2 + (flip % 2))),
  'weights of an instance': (graylane, flip) =>
    graylane.setInstances('payments', instances({ weight: 1 + (flip % 9) })),
  'an instance drains': (graylane, flip) => graylane.setInstances('payments', instances({ weight: flip % 2 })),
  'tags of an instance': (graylane, flip) =>
    graylane.setInstances('payments', instances({ tags: [flip % 2 === 0 ? 'canary' : 'stable'] })),
  'weights of a split': (graylane, flip) =>
    graylane.setPolicy(
      'payments',
      policy({
        routes: [
          {
            name: 'all',
            split: [
              { to: 'stable', weight: 100 },
              { to: 'canary', weight: 1 + flip },
            ],
          },
        ],
      }),
    ),
  'an algorithm': (graylane, flip) =>
    graylane.setPolicy('payments', policy({ balancing: { algorithm: flip % 2 === 0 ? 'round_robin' : 'peak_ewma' } })),
  'a lane with calls': (graylane, flip) => {
    if (flip === 0) graylane.setPolicy('payments', policy({ lanes: { by: 'x-lane' } }));
    graylane.setInstances('payments', instances({ meta: { lane: 'blue', build: `${flip}` } }));
  },
  'a lane that begins and ends': (graylane, flip) => {
    if (flip === 0) graylane.setPolicy('payments', policy({ lanes: { by: 'x-lane' } }));
    graylane.setInstances('payments', instances(flip % 2 === 0 ? { meta: { lane: 'blue' } } : {}));
  },
};

describe('what a change has replaced', () => {
  it.each(sliceOf(Object.keys(KINDS), 4))('is let go: %s', { timeout: 60_000 }, async (kind) => {
    const graylane = opened(
      createGraylane({
        instances: { payments: instances() },
        policies: { payments: policy() },
        logger: { debug() {}, info() {}, warn() {}, error() {} },
      }),
      (each) => each.close(),
    );
    const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (each) =>
      each.close(),
    );
    await charge(client);
    const held = (): { topologies: number; pools: number } => ({
      topologies: queryObjects(Topology, { format: 'count' }),
      pools: queryObjects(Pool, { format: 'count' }),
    });
    const before = held();
    for (let flip = 0; flip < CHANGES; flip += 1) {
      KINDS[kind]?.(graylane, flip);
      // Calls go by each of them.
      await Promise.all([charge(client), charge(client, { 'x-lane': 'blue' })]);
    }
    await pause(50);
    const after = held();
    printFact(
      `${CHANGES} changes: ${kind}`,
      `${after.topologies} topologies, ${before.topologies} before; ${after.pools} pools, ${before.pools} before`,
    );
    expect(after.topologies - before.topologies).toBeLessThan(10);
    expect(after.pools - before.pools).toBeLessThan(20);
  });
});
