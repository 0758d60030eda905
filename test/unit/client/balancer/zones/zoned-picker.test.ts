import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divideByZone } from '../../../../../src/client/balancer/zones/zoned-picker';
import { runs } from '../../../../support/slice';

type Numbers = Readonly<Record<string, number>>;

function divide(own: string, capacity: Numbers, clients?: Numbers, known = Object.keys(capacity)): Numbers {
  const shares = divideByZone(own, new Map(Object.entries(capacity)), known, clients);
  return Object.fromEntries([...shares].map(([zone, share]) => [zone, Number(share.toFixed(4))]));
}

describe('how a client divides its calls among zones', () => {
  it.each<[string, Numbers, Numbers]>([
    ['a', { a: 5, b: 3, c: 2 }, { a: 1 }],
    ['b', { a: 5, b: 3, c: 2 }, { b: 0.9, a: 0.1 }],
    ['c', { a: 5, b: 3, c: 2 }, { c: 0.6, a: 0.4 }],
    // Its clients are still there.
    ['a', { a: 0, b: 3, c: 2 }, { b: 0.8, c: 0.2 }],
    ['c', { a: 0, b: 3, c: 2 }, { c: 1 }],
    ['d', { a: 5, b: 3, c: 2 }, { a: 0.5, b: 0.3, c: 0.2 }],
    ['a', { a: 1, '': 2 }, { a: 1 / 3, '': 2 / 3 }],
    ['a', { a: 3 }, { a: 1 }],
    ['a', { b: 3 }, { b: 1 }],
    ['a', { a: 0, b: 0 }, {}],
    ['a', {}, {}],
  ])('in zone %s, of %o: %o', (own, capacity, shares) => {
    const rounded = Object.fromEntries(Object.entries(shares).map(([zone, share]) => [zone, Number(share.toFixed(4))]));
    expect(divide(own, capacity)).toEqual(rounded);
  });

  it('goes by the clients that it is told of, also where they have no instance', () => {
    expect(divide('a', { a: 5, b: 5 }, { a: 3, b: 1 })).toEqual({ a: 0.6667, b: 0.3333 });
    expect(divide('c', { a: 5, b: 5 }, { a: 1, b: 2, c: 1 })).toEqual({ a: 1 });
    // Nobody has counted the clients of this zone: no reason to cross.
    expect(divide('c', { a: 5, c: 5 }, { a: 1 })).toEqual({ c: 1 });
  });

  it('loads each zone by its capacity and lets no more cross than that asks for, wherever the clients are', () => {
    const counts = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(counts, counts, (capacities, clientCounts) => {
        const zones = [...capacities.keys()].map((index) => `z${index}`);
        const capacity = Object.fromEntries(zones.map((zone, index) => [zone, capacities[index] as number]));
        const clients = Object.fromEntries(zones.map((zone, index) => [zone, clientCounts[index] ?? 1]));
        const total = Object.values(capacity).reduce((sum, each) => sum + each, 0);
        const all = Object.values(clients).reduce((sum, each) => sum + each, 0);
        fc.pre(total > 0 && all > 0);
        const load: Record<string, number> = {};
        let crossing = 0;
        for (const own of zones) {
          const part = (clients[own] as number) / all;
          const shares = divideByZone(own, new Map(Object.entries(capacity)), zones, clients);
          expect([...shares.values()].reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
          for (const [zone, share] of shares) {
            load[zone] = (load[zone] ?? 0) + part * share;
            if (zone !== own) crossing += part * share;
          }
        }
        let askedFor = 0;
        for (const zone of zones) {
          const due = (capacity[zone] as number) / total;
          expect(load[zone] ?? 0).toBeCloseTo(due, 9);
          askedFor += Math.max(0, (clients[zone] as number) / all - due);
        }
        expect(crossing).toBeCloseTo(askedFor, 9);
      }),
      { numRuns: runs(500) },
    );
  });
});
