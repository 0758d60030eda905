import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type TierSpec, tierOrder } from '../../../../src/policy/membership/tiers';
import { DATACENTERS, plan, planOf } from './arbitrary-world';

const text = (tiers: readonly TierSpec[]): string[] => tiers.map(({ subset, datacenter }) => `${subset} ${datacenter}`);

describe('the order of tiers', () => {
  const subsets = { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } };
  const chain = ['canary', 'stable'];

  it('with prefer: subset is every datacenter of the subset, then every one of its fallback', () => {
    const policy = planOf({ subsets, default: 'stable' });
    expect(text(tierOrder(policy, { chain }, { datacenters: DATACENTERS, reach: DATACENTERS }))).toEqual([
      'canary dc1',
      'canary dc2',
      'canary dc3',
      'stable dc1',
      'stable dc2',
      'stable dc3',
    ]);
  });

  it('with prefer: datacenter is every subset of a datacenter, then the next datacenter, in the order of failover', () => {
    const locality = { prefer: 'datacenter', failover: ['dc3', 'dc2', 'dc9'] } as const;
    const policy = planOf({ subsets, default: 'stable', locality });
    expect(text(tierOrder(policy, { chain }, { datacenters: DATACENTERS, reach: DATACENTERS }))).toEqual([
      'canary dc1',
      'stable dc1',
      'canary dc3',
      'stable dc3',
      'canary dc2',
      'stable dc2',
    ]);
  });

  it('begins at home, holds each pair once, and keeps both the chain and the failover in order', () => {
    fc.assert(
      fc.property(plan, fc.nat(), fc.subarray(DATACENTERS, { minLength: 1 }), (policy, pick, known) => {
        const destination = policy.destinations[pick % policy.destinations.length];
        if (destination === undefined) throw new Error('a plan without destinations');
        const tiers = tierOrder(policy, destination, { datacenters: known, reach: known });
        const { failover, prefer } = policy.locality;
        const [local] = known;
        expect(tiers[0]).toEqual({ subset: destination.subset, datacenter: local });
        expect(new Set(text(tiers)).size).toBe(tiers.length);

        const order = [local, ...(failover ?? known)].filter(
          (name, index, all) => known.includes(name as string) && all.indexOf(name) === index,
        );
        expect(tiers).toHaveLength(order.length * destination.chain.length);
        const positions = tiers.map(({ subset, datacenter }) => {
          const [step, place] = [destination.chain.indexOf(subset), order.indexOf(datacenter)];
          return prefer === 'subset' ? step * order.length + place : place * destination.chain.length + step;
        });
        expect(positions).toEqual(tiers.map((_, index) => index));
      }),
    );
  });
});
