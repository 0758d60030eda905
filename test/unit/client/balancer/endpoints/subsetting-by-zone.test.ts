import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../../../src/base/instances';
import { chooseOfEachZone } from '../../../../../src/client/balancer/endpoints/subsetting';
import { endpointAt } from '../connections';
import { maxToMean, repeat } from '../zones/zoned-fleet';

function instances(zones: Readonly<Record<string, number>>): Instance[] {
  return repeat(zones).map((zone, index) => ({ ...endpointAt(index).instance, zone }));
}

function counted(chosen: readonly Instance[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { zone = '' } of chosen) counts[zone] = (counts[zone] ?? 0) + 1;
  return counts;
}

describe('subsetting by zone', () => {
  it('takes as large a part of each zone as the zone has of all, and one of each at least', () => {
    expect(counted(chooseOfEachZone(instances({ a: 50, b: 30, c: 20 }), 10, 'orders-1'))).toEqual({ a: 5, b: 3, c: 2 });
    expect(counted(chooseOfEachZone(instances({ a: 97, b: 2, c: 1 }), 10, 'orders-1'))).toEqual({ a: 8, b: 1, c: 1 });
    expect(counted(chooseOfEachZone(instances({ a: 9, b: 9, c: 9 }), 2, 'orders-1'))).toEqual({ a: 1, b: 1, c: 1 });
  });

  it('is the same whatever order discovery lists them in, and uses all of a zone alike over many clients', () => {
    const all = instances({ a: 50, b: 30, c: 20 });
    const keys = (chosen: readonly Instance[]): string[] => chosen.map(({ key }) => key).sort();
    const reversed = keys(chooseOfEachZone([...all].reverse(), 10, 'orders-1'));
    expect(reversed).toEqual(keys(chooseOfEachZone(all, 10, 'orders-1')));
    const uses = new Map(all.map(({ key }) => [key, 0]));
    for (let client = 0; client < 1_000; client += 1) {
      for (const { key } of chooseOfEachZone(all, 10, `orders-${client}`)) uses.set(key, (uses.get(key) ?? 0) + 1);
    }
    expect(maxToMean([...uses.values()])).toBeLessThan(1.1);
  });
});
