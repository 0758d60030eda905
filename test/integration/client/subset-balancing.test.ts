import { describe, expect, it } from 'vitest';
import { createTestClient } from '../../../src/testing';
import { closeAfterEach } from '../../support/closers';
import { charge, paymentsClient, startPaymentsServer } from '../../support/payments';
import { untilConnected } from '../../support/until-ready';

const closing = closeAfterEach();
const INSTANCES = ['canary-1', 'canary-2', 'canary-3', 'canary-4', 'stable-1', 'stable-2', 'stable-3', 'stable-4'];

async function world(canary: object, policy: object = {}) {
  const instances = await Promise.all(
    INSTANCES.map(async (id) => {
      const { port } = closing(await startPaymentsServer({ name: id }), (one) => one.kill());
      return { address: '127.0.0.1', port, id, tags: [id.split('-')[0] as string] };
    }),
  );
  const graylane = closing(
    createTestClient({
      policy: {
        schema: 1,
        service: 'payments',
        subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], ...canary } },
        default: 'stable',
        routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', retry: {} }],
        ...policy,
      },
      instances,
    }),
    (one) => one.close(),
  );
  const client = closing(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
  await graylane.ready('payments');
  await untilConnected(graylane, INSTANCES.length);
  const servedBy = async (labels: Readonly<Record<string, string>>) => (await charge(client, labels)).servedBy;
  return { graylane, servedBy };
}

/** Which instances answered each value of a label, over several values of another one. */
async function owners(
  servedBy: (labels: Readonly<Record<string, string>>) => Promise<string>,
  key: string,
  other: string,
  gray: Readonly<Record<string, string>>,
): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  for (let value = 0; value < 12; value += 1) {
    const seen = new Set<string>();
    for (let round = 0; round < 8; round += 1) {
      seen.add(await servedBy({ ...gray, [key]: `v-${value}`, [other]: `o-${round}` }));
    }
    found.set(`v-${value}`, seen);
  }
  return found;
}

const sizes = (found: ReadonlyMap<string, ReadonlySet<string>>): readonly number[] =>
  [...found.values()].map((seen) => seen.size);
const all = (found: ReadonlyMap<string, ReadonlySet<string>>): ReadonlySet<string> =>
  new Set([...found.values()].flatMap((seen) => [...seen]));

const GRAY = { 'x-gray': 'canary' };
const BY_USER = { balancing: { algorithm: 'ring_hash', hashBy: 'X-User' } };

describe('balancing of a subset', () => {
  it('hashes by its own label, and the default as the policy says', async () => {
    const { servedBy, graylane } = await world(BY_USER, { balancing: { algorithm: 'round_robin' } });
    const byUser = await owners(servedBy, 'x-user', 'x-tenant', GRAY);
    expect(sizes(byUser)).toEqual(Array.from({ length: 12 }, () => 1));
    expect(all(byUser).size).toBeGreaterThan(1);
    const plain = await owners(servedBy, 'x-user', 'x-tenant', {});
    expect(sizes(plain)).toEqual(Array.from({ length: 12 }, () => 4));
    expect(graylane.inspect().services[0]?.balancing).toEqual([
      { subset: 'stable', algorithm: 'round_robin', hashBy: undefined },
      { subset: 'canary', algorithm: 'ring_hash', hashBy: 'x-user' },
    ]);
    const request = { method: '/shop.v1.Payments/Charge', labels: { ...GRAY, 'x-user': 'v-0' } };
    const { routing, tiers } = graylane.explain('payments', request);
    expect(routing.hash).toBeGreaterThanOrEqual(0);
    expect(tiers[0]?.balancing).toEqual({ subset: 'canary', algorithm: 'ring_hash', hashBy: 'x-user' });
  });

  it('has a fallback that hashes by another label go by that one', async () => {
    const stable = { stable: { tags: ['stable'], balancing: { algorithm: 'ring_hash', hashBy: 'x-tenant' } } };
    const canary = { canary: { tags: ['canary'], fallback: 'stable', ...BY_USER, breaker: { enabled: false } } };
    const { servedBy, graylane } = await world(
      {},
      { subsets: { ...stable, ...canary }, retryBudget: { percent: 100, minPerSecond: 1000 } },
    );
    const before = await owners(servedBy, 'x-tenant', 'x-user', {});
    expect(sizes(before)).toEqual(Array.from({ length: 12 }, () => 1));
    graylane.fail('canary');
    const retried = await owners(servedBy, 'x-tenant', 'x-user', GRAY);
    expect(retried).toEqual(before);
    expect(all(retried).size).toBeGreaterThan(1);
  });

  it('has calls without a ring of their own go on by the algorithm of the policy', async () => {
    const { servedBy } = await world(
      { balancing: { algorithm: 'round_robin' } },
      { balancing: { algorithm: 'ring_hash', hashBy: 'x-user' } },
    );
    expect(sizes(await owners(servedBy, 'x-user', 'x-tenant', {}))).toEqual(Array.from({ length: 12 }, () => 1));
    expect(sizes(await owners(servedBy, 'x-user', 'x-tenant', GRAY))).toEqual(Array.from({ length: 12 }, () => 4));
  });
});
