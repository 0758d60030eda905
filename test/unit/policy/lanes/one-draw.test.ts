import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../../src/policy/compile';
import { route } from '../routing/fixture';

const SERVICES = ['orders', 'payments', 'stock'];
const USERS = Array.from({ length: 5_000 }, (_, index) => `u-${index}`);

/** The users that a service's policy leads to its canary. */
function canaryOf(service: string, percent: number, stickySalt?: string): ReadonlySet<string> {
  const split = [
    { to: 'stable', weight: 100 - percent },
    { to: 'canary', weight: percent },
  ];
  const salt = stickySalt === undefined ? {} : { stickySalt };
  const plan = compilePolicy(
    {
      format: 'object',
      content: {
        ...{ schema: 1, service, default: 'stable' },
        subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
        // Names differ from service to service, as they do.
        routes: [{ name: `${service}-everyone`, split, stickBy: 'x-user-id', ...salt }],
      },
    },
    { service, origin: 'inline' },
  );
  return new Set(
    USERS.filter((user) => route(plan, { labels: { 'x-user-id': user } }).destination.subset === 'canary'),
  );
}

describe('one draw for a whole chain', () => {
  it('has the same users in the canary of every service whose policies share a stickySalt', () => {
    const [first, ...others] = SERVICES.map((service) => canaryOf(service, 10, 'checkout'));
    expect(first?.size).toBeGreaterThan(USERS.length * 0.08);
    for (const other of others) expect(other).toEqual(first);
  });

  it('has the smaller canary within the larger one', () => {
    const small = canaryOf('orders', 5, 'checkout');
    const large = canaryOf('stock', 20, 'checkout');
    expect([...small].filter((user) => !large.has(user))).toEqual([]);
    expect(large.size).toBeGreaterThan(small.size * 2);
  });

  it('draws for each service anew without it', () => {
    const [orders, payments] = SERVICES.map((service) => canaryOf(service, 10));
    const both = [...(orders ?? [])].filter((user) => payments?.has(user) === true);
    expect(both.length).toBeLessThan((orders?.size ?? 0) / 2);
  });
});
