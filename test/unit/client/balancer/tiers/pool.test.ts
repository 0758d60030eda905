import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../src/base/random';
import { BreakerRegistry } from '../../../../../src/client/breaker/registry';
import { FakeClock } from '../../../../../src/client/testing/fake-clock';
import { endpointAt } from '../connections';
import { BREAKER_PLAN, openPool } from '../open-pool';

describe('a member that did not answer once', () => {
  it('is left out and among the probes, until it has answered', () => {
    const { pool, members, silence, answer } = world(3);
    silence(0);
    const context = { random: seededRandom(2), hash: -1, tried: undefined };
    expect(pool.probes).toEqual([members[0]]);
    for (let pick = 0; pick < 300; pick += 1) expect(pool.picker?.pick(context)).not.toBe(members[0]);
    answer(0);
    expect(pool.probes).toEqual([]);
    const picked = new Set(Array.from({ length: 100 }, () => pool.picker?.pick(context)));
    expect(picked).toEqual(new Set(members));
  });

  it('serves all the same when nobody is beyond doubt', () => {
    const { pool, members, silence } = world(2);
    silence(0);
    silence(1);
    const context = { random: seededRandom(2), hash: -1, tried: undefined };
    const picked = new Set(Array.from({ length: 100 }, () => pool.picker?.pick(context)));
    expect(picked).toEqual(new Set(members));
    expect(pool.isAllBad).toBe(false);
  });
});

function world(size: number) {
  const clock = new FakeClock();
  const breakers = new BreakerRegistry({ clock, random: () => 0 });
  const endpoints = Array.from({ length: size }, (_, index) => endpointAt(index));
  const { pool, members } = openPool(endpoints, seededRandom(1));
  const end =
    (outcome: 'silent' | 'success') =>
    (index: number): void => {
      const endpoint = endpoints[index];
      if (endpoint === undefined) throw new Error('no such member');
      endpoint.breaker ??= breakers.failed(endpoint.key, BREAKER_PLAN);
      endpoint.breaker.record(endpoint.breaker.begin(clock.now()), outcome, clock.now());
      pool.refresh(clock.now());
    };
  return { pool, members, silence: end('silent'), answer: end('success') };
}
