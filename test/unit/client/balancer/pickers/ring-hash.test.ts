import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../src/base/random';
import type { Connection } from '../../../../../src/client/balancer/endpoints/endpoint';
import { hashKey } from '../../../../../src/client/balancer/pickers/ring-hash';
import { connectionsOf, firstTry, makeSuspect, pickerFor } from '../connections';

const random = seededRandom(1);

function ownersOf(ready: readonly Connection[], users: number): Map<number, string | undefined> {
  const picker = pickerFor('ring_hash', ready, random);
  return new Map(
    Array.from({ length: users }, (_, user) => {
      const hash = hashKey(`u-${user}`, 0);
      return [hash, picker.pick(firstTry(random, hash))?.endpoint.key];
    }),
  );
}

describe('ring_hash', () => {
  it('sends the same hash to the same endpoint, whatever the order of the pool', () => {
    const ready = connectionsOf([1, 3, 2, 1, 1]);
    expect(ownersOf(ready.toReversed(), 2000)).toEqual(ownersOf(ready, 2000));
  });

  it('moves only the calls of the endpoint that leaves', () => {
    const pool = fc.array(fc.constantFrom(10, 10, 10, 12, 14), { minLength: 5, maxLength: 40 });
    fc.assert(
      fc.property(pool, fc.nat(), (weights, chosen) => {
        const ready = connectionsOf(weights);
        const leaving = ready[chosen % ready.length];
        const before = ownersOf(ready, 500);
        const after = ownersOf(
          ready.filter((connection) => connection !== leaving),
          500,
        );
        const wrong = [...before].filter(
          ([hash, owner]) => (after.get(hash) === owner) === (owner === leaving?.endpoint.key),
        );
        expect(wrong).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it('goes on along the ring when its endpoint was tried, and when it is suspect: to the same one', () => {
    const ready = connectionsOf([1, 1, 1, 1, 1, 1]);
    const picker = pickerFor('ring_hash', ready, random);
    const hash = hashKey('u-42', 0);
    const owner = picker.pick(firstTry(random, hash)) as Connection;
    const next = picker.pick({ random, hash, tried: [owner.endpoint] });
    expect(next).not.toBe(owner);
    makeSuspect(owner);
    expect(picker.pick(firstTry(random, hash))).toBe(next);
  });

  it('takes the ends of the hash range', () => {
    const ready = connectionsOf([1, 1, 1]);
    const picker = pickerFor('ring_hash', ready, random);
    expect(ready).toContain(picker.pick(firstTry(random, 0)));
    expect(ready).toContain(picker.pick(firstTry(random, 2 ** 32 - 1)));
  });

  it('has a point for everyone, however light', () => {
    const ready = connectionsOf([1, 10_000, 10_000, 10_000]);
    const picker = pickerFor('ring_hash', ready, random);
    const heavy = ready.slice(1).map(({ endpoint }) => endpoint);
    expect(picker.pick({ random, hash: 12, tried: heavy })).toBe(ready[0]);
  });
});
