import { describe, expect, it } from 'vitest';
import type { Algorithm } from '../../../../src/policy/document';
import { maxToMean, repeat, ZonedFleet, type ZonedFleetOptions } from '../../../unit/client/balancer/zones/zoned-fleet';

const UNEVEN = repeat({ a: 5, b: 3, c: 2 });
const CLIENTS = repeat({ a: 20, b: 20, c: 20 });
/** What 5 / 3 / 2 instances and equal clients ask for: b gives away a tenth of its calls, c four tenths. */
const ASKED_FOR = (0 + 0.1 + 0.4) / 3;

function fleet(options: Partial<ZonedFleetOptions> = {}): ZonedFleet {
  return new ZonedFleet({ instances: UNEVEN, clients: CLIENTS, ...options });
}

describe('zones with 5, 3 and 2 instances and equally many clients', () => {
  const algorithms: readonly Algorithm[] = ['peak_ewma', 'least_request', 'round_robin', 'random'];

  it.each(algorithms)('%s: as many calls cross as capacity asks for, and instances are loaded alike', (algorithm) => {
    const { calls, crossing, crossingOf } = fleet({ algorithm }).run(60_000);
    expect(maxToMean(calls)).toBeLessThan(1.1);
    expect(crossing).toBeGreaterThan(ASKED_FOR - 0.02);
    expect(crossing).toBeLessThan(ASKED_FOR + 0.02);
    expect(crossingOf('a')).toBe(0);
  });

  it('without the preference two calls of three cross', () => {
    expect(fleet({ prefers: false }).run(20_000).crossing).toBeGreaterThan(0.6);
  });

  it('follows weights: twice the weight is twice the capacity', () => {
    const weights = UNEVEN.map((zone) => (zone === 'c' ? 2 : 1));
    const { calls, crossingOf } = fleet({ weights, algorithm: 'round_robin' }).run(60_000);
    expect(maxToMean(calls.map((count, index) => count / (weights[index] as number)))).toBeLessThan(1.1);
    expect(crossingOf('c')).toBeLessThan(0.02);
  });

  it('goes by where the clients are, when the policy says so', () => {
    const clients = repeat({ a: 6, b: 6, c: 48 });
    const alike = fleet({ clients, algorithm: 'round_robin' }).run(30_000);
    const told = fleet({ clients, hint: { a: 6, b: 6, c: 48 }, algorithm: 'round_robin' }).run(30_000);
    expect(maxToMean(alike.calls)).toBeGreaterThan(2);
    expect(maxToMean(told.calls)).toBeLessThan(1.1);
  });
});

describe('when a zone falls ill', () => {
  it('and all of it dies, the others take its calls by their room; it is back gradually, with no swing', () => {
    const world = fleet({ algorithm: 'round_robin' });
    world.run(2_000);
    world.kill(0, 1, 2, 3, 4);
    const dead = world.run(30_000);
    expect(maxToMean(dead.calls.slice(5))).toBeLessThan(1.15);
    expect(dead.calls.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
    expect(dead.crossingOf('c')).toBe(0);
    world.revive(0, 1, 2, 3, 4);
    const shares = Array.from({ length: 15 }, () => {
      const { calls } = world.run(1_000);
      return calls.slice(0, 5).reduce((sum, count) => sum + count, 0) / calls.reduce((sum, count) => sum + count, 0);
    });
    expect(shares[0]).toBeLessThan(0.05);
    for (const [second, share] of shares.entries()) {
      if (second > 0) expect(share).toBeGreaterThan((shares[second - 1] as number) - 0.06);
    }
    const after = world.run(30_000);
    expect(maxToMean(after.calls)).toBeLessThan(1.15);
    expect(after.crossing).toBeLessThan(ASKED_FOR + 0.03);
  });

  it.each(['kill', 'setCritical'] as const)('and half of it goes (%s), it keeps what it carries', (how) => {
    const world = fleet({ instances: repeat({ a: 4, b: 4, c: 4 }), algorithm: 'round_robin' });
    expect(world.run(5_000).crossing).toBe(0);
    world[how](0, 1);
    const { calls, crossingOf } = world.run(60_000);
    expect(maxToMean(calls.slice(2))).toBeLessThan(1.15);
    // 2 of 10 instances, a third of the clients.
    expect(crossingOf('a')).toBeGreaterThan(0.36);
    expect(crossingOf('a')).toBeLessThan(0.44);
    expect(crossingOf('b')).toBe(0);
    if (how === 'kill') world.revive(0, 1);
    else world.setCritical();
    world.run(12_000);
    expect(world.run(5_000).crossing).toBe(0);
  });
});

describe('a client', () => {
  it('whose zone has no instance spreads its calls by capacity', () => {
    const { calls } = fleet({ clients: [...CLIENTS, ...repeat({ d: 20 })], algorithm: 'round_robin' }).run(60_000);
    expect(maxToMean(calls)).toBeLessThan(1.1);
  });

  it('whose zone is not known spreads them over all instances alike', () => {
    const { calls } = fleet({ clients: Array.from({ length: 20 }, () => undefined) }).run(30_000);
    expect(maxToMean(calls)).toBeLessThan(1.1);
  });

  it('calls instances without a zone as far as its own has too little', () => {
    const world = fleet({
      instances: ['a', 'a', 'a', 'b', 'b', 'b', undefined, undefined, undefined],
      clients: repeat({ a: 20, b: 20 }),
    });
    const { calls, crossing } = world.run(60_000);
    expect(maxToMean(calls)).toBeLessThan(1.1);
    expect(crossing).toBeGreaterThan(1 / 3 - 0.02);
    expect(crossing).toBeLessThan(1 / 3 + 0.02);
  });
});

describe('a new zone', () => {
  it('takes its part at once, since nothing is known against it, and its clients stay in it', () => {
    const world = fleet({ instances: repeat({ a: 4, b: 4, c: 4 }), algorithm: 'round_robin' });
    world.setListed(0, 1, 2, 3, 4, 5, 6, 7);
    const before = world.run(10_000);
    expect(before.calls.slice(8)).toEqual([0, 0, 0, 0]);
    expect([before.crossingOf('a'), before.crossingOf('b'), before.crossingOf('c')]).toEqual([0, 0, 1]);
    world.setListed(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    const after = world.run(20_000);
    expect(after.crossing).toBe(0);
    expect(maxToMean(after.calls)).toBeLessThan(1.15);
  });
});
