import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../src/base/random';
import { AttemptLink } from '../../../../src/client/balancer/attempts/attempt-link';
import type { Connection } from '../../../../src/client/balancer/endpoints/endpoint';
import {
  ALGORITHMS,
  connectionsOf,
  countPicks,
  endpointAt,
  firstTry,
  makeSuspect,
  pickerFor,
} from '../../../unit/client/balancer/connections';
import { worstDeviation } from '../../../unit/client/balancer/pool-simulation';

describe.each(ALGORITHMS)('%s', (algorithm) => {
  it('picks members only, and a tried one never', () => {
    const pool = fc.array(fc.record({ weight: fc.integer({ min: 1, max: 100 }), bad: fc.boolean(), busy: fc.nat(5) }), {
      minLength: 1,
      maxLength: 30,
    });
    fc.assert(
      fc.property(pool, fc.nat(), fc.array(fc.nat(29), { maxLength: 6 }), (members, seed, triedIndexes) => {
        const random = seededRandom(seed);
        const ready = connectionsOf(members.map(({ weight }) => weight));
        members.forEach(({ bad, busy }, index) => {
          const connection = ready[index] as Connection;
          for (let call = 0; call < busy; call += 1) connection.endpoint.load.attemptStarted(new AttemptLink(), 0);
          if (bad) makeSuspect(connection);
        });
        const picker = pickerFor(algorithm, ready, random);
        const tried = triedIndexes.flatMap((index) => ready[index]?.endpoint ?? []);
        const left = ready.filter(({ endpoint }) => !tried.includes(endpoint));
        for (let call = 0; call < 20; call += 1) {
          const hash = call % 2 === 0 ? -1 : Math.floor(random() * 2 ** 32);
          expect(ready).toContain(picker.pick({ random, hash, tried: undefined }));
          const retried = picker.pick({ random, hash, tried });
          if (left.length === 0) expect(retried).toBeUndefined();
          else expect(left).toContain(retried);
          if (left.some(({ endpoint }) => !endpoint.load.isSuspect))
            expect(retried?.endpoint.load.isSuspect).toBe(false);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('keeps off suspects, and falls back on them when there is nobody else', () => {
    const random = seededRandom(1);
    const ready = connectionsOf([1, 1, 1, 1]);
    const picker = pickerFor(algorithm, ready, random);
    ready.slice(0, 3).forEach(makeSuspect);
    expect(countPicks(picker, ready, firstTry(random), 1000)).toEqual([0, 0, 0, 1000]);
    ready.slice(3).forEach(makeSuspect);
    const spread = countPicks(picker, ready, firstTry(random), 1000);
    for (const count of spread) expect(count).toBeGreaterThan(100);
  });

  it('shares calls by weight over 50,000 picks with nothing in flight', () => {
    const random = seededRandom(2);
    const weights = [1, 2, 3, 10, 4];
    const ready = connectionsOf(weights);
    const counts = countPicks(pickerFor(algorithm, ready, random), ready, firstTry(random), 50_000);
    // A ring of some thousand points is less even than a draw.
    expect(worstDeviation(counts, weights)).toBeLessThan(algorithm === 'ring_hash' ? 0.25 : 0.05);
  });

  it('shares evenly between equals', () => {
    const random = seededRandom(3);
    const ready = connectionsOf(Array.from({ length: 20 }, () => 7));
    const counts = countPicks(pickerFor(algorithm, ready, random), ready, firstTry(random), 100_000);
    expect(worstDeviation(counts, Array(20).fill(1))).toBeLessThan(algorithm === 'ring_hash' ? 0.2 : 0.06);
  });

  it('finds the last one left of 2,000 that are suspect or tried', () => {
    const random = seededRandom(4);
    const ready = connectionsOf(Array.from({ length: 2000 }, () => 1));
    const picker = pickerFor(algorithm, ready, random);
    const [last, ...others] = ready.map(({ endpoint }) => endpoint);
    expect(picker.pick({ random, hash: -1, tried: others })?.endpoint).toBe(last);
    expect(picker.pick({ random, hash: 7, tried: ready.map(({ endpoint }) => endpoint) })).toBeUndefined();
  });

  it('follows churn: pickers that are built anew never yield an endpoint that has left', () => {
    const random = seededRandom(5);
    let members = connectionsOf([1, 2, 3]);
    for (let change = 0; change < 300; change += 1) {
      const joins = members.length < 2 || random() < 0.5;
      if (joins) members = [...members, { endpoint: endpointAt(100 + change, 1 + Math.floor(random() * 9)) }];
      else members = members.filter((_, index) => index !== change % members.length);
      const picker = pickerFor(algorithm, members, random);
      const present = new Set<Connection | undefined>(members);
      for (let call = 0; call < 50; call += 1) {
        expect(present.has(picker.pick(firstTry(random, call % 3 === 0 ? -1 : call * 85_000_000)))).toBe(true);
      }
    }
  });

  it('asks its random source at most once in a pick', () => {
    let asked = 0;
    const seeded = seededRandom(6);
    const counting = () => {
      asked += 1;
      return seeded();
    };
    const ready = connectionsOf([1, 5, 2, 8]);
    const picker = pickerFor(algorithm, ready, seeded);
    countPicks(picker, ready, firstTry(counting), 1000);
    expect(asked).toBeLessThanOrEqual(1000);
  });
});

describe('a pool of one', () => {
  it('serves every call and no retry of its own', () => {
    const random = seededRandom(1);
    const ready = connectionsOf([3]);
    for (const algorithm of ALGORITHMS) {
      const picker = pickerFor(algorithm, ready, random);
      ready.forEach(makeSuspect);
      expect(picker.pick(firstTry(random))).toBe(ready[0]);
      expect(picker.pick({ random, hash: 5, tried: ready.map(({ endpoint }) => endpoint) })).toBeUndefined();
    }
  });
});
