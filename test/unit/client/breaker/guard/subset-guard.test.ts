import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../src/base/random';
import { type GuardRig, guardRig, plans, subset } from './fixture';

/** A canary that fails a third of its calls beside a stable that fails one in a hundred. */
function fail(rig: GuardRig, most = 400): number {
  for (let call = 1; call <= most; call += 1) {
    rig.attempts('stable', 'success', 9);
    rig.attempts('stable', call % 11 === 0 ? 'failure' : 'success');
    rig.attempts('canary', call % 3 === 0 ? 'failure' : 'success');
    if (rig.view().heldForMs !== undefined) return call;
  }
  return Number.POSITIVE_INFINITY;
}

describe('a guard', () => {
  it('sheds its subset in every datacenter, also in one met later, and says why', () => {
    const rig = guardRig();
    const calls = fail(rig);
    expect(calls).toBeLessThan(100);
    expect(rig.states()).toEqual({ 'canary@dc1': 'open', 'canary@dc2': 'open' });
    expect([rig.isShed('dc1'), rig.isShed('dc2'), rig.isShed('dc3')]).toEqual([true, true, true]);
    const { counts, againstCounts } = rig.view();
    expect(counts.calls).toBe(calls);
    const because = `guard: ${counts.failures} of ${counts.calls} failed, stable ${againstCounts.failures} of ${againstCounts.calls}`;
    expect(rig.view()).toMatchObject({ because, heldForMs: 60_000, trips: 1 });
    for (const view of rig.registry.views()) {
      expect(view).toMatchObject({ state: 'open', openedBecause: because, probesInMs: undefined, heldForMs: 60_000 });
    }
    expect(rig.changes).toEqual([{ subset: 'canary', event: 'shed', isDryRun: false, because, heldForMs: 60_000 }]);
  });

  it('lets go when its time is over, of all breakers and with nothing counted', () => {
    const rig = guardRig({ windowMs: 600_000 });
    fail(rig);
    // What strict routes meet meanwhile is nobody's business.
    rig.attempts('canary', 'failure', 50);
    rig.clock.advance(59_999);
    expect(rig.isShed()).toBe(true);
    rig.clock.advance(1);
    expect([rig.isShed('dc1'), rig.isShed('dc2'), rig.isShed('dc3')]).toEqual([false, false, false]);
    expect(rig.view()).toMatchObject({ counts: { calls: 0, failures: 0 }, heldForMs: undefined, because: undefined });
    for (const view of rig.registry.views()) expect(view).toMatchObject({ state: 'closed', heldForMs: undefined });
    expect(rig.changes).toMatchObject([{ event: 'shed' }, { event: 'restored', heldForMs: 60_000 }]);
    expect(rig.clock.pending).toBe(0);
  });

  it('sheds for twice as long each time that it happens again soon, up to a most', () => {
    const rig = guardRig({ maxHoldMs: 200_000 });
    const held: (number | undefined)[] = [];
    for (let trip = 0; trip < 4; trip += 1) {
      fail(rig);
      held.push(rig.view().heldForMs);
      rig.clock.advance(rig.view().heldForMs ?? 0);
    }
    expect(held).toEqual([60_000, 120_000, 200_000, 200_000]);
    // It has been well for as long as it was shed.
    rig.clock.advance(200_000);
    fail(rig);
    expect(rig.view()).toMatchObject({ heldForMs: 60_000, trips: 5 });
  });

  it('is not held to the same moment as every other client', () => {
    const rig = guardRig({}, () => 0.5);
    fail(rig);
    expect(rig.view().heldForMs).toBe(54_000);
  });

  it('finds nothing in a canary that fails as stable does, or by less than it may more', () => {
    const rig = guardRig();
    for (let call = 0; call < 2_000; call += 1) {
      rig.attempts('stable', call % 3 === 0 ? 'failure' : 'success', 3);
      rig.attempts('canary', call % 3 === 0 ? 'failure' : 'success');
    }
    expect(rig.view().trips).toBe(0);
    const close = guardRig({ maxExcessFailurePercentage: 20 });
    for (let call = 0; call < 2_000; call += 1) {
      close.attempts('stable', 'success', 3);
      close.attempts('canary', call % 6 === 0 ? 'failure' : 'success');
    }
    expect(close.view().trips).toBe(0);
  });

  it('says nothing before it has seen enough, or where nothing is to compare with', () => {
    const rig = guardRig({ minimumCalls: 20 });
    rig.attempts('stable', 'success', 500);
    rig.attempts('canary', 'failure', 19);
    expect(rig.view().trips).toBe(0);
    rig.attempts('canary', 'failure');
    expect(rig.view().trips).toBe(1);
    const alone = guardRig();
    alone.attempts('canary', 'failure', 500);
    expect(alone.view().trips).toBe(0);
    const later = guardRig();
    later.attempts('stable', 'success', 500);
    later.clock.advance(120_000);
    later.attempts('canary', 'failure', 500);
    expect(later.view().trips).toBe(0);
  });

  it('forgets what has left the window', () => {
    const rig = guardRig({ windowMs: 10_000 });
    for (let second = 0; second < 100; second += 1) {
      rig.attempts('stable', 'success', 50);
      rig.attempts('canary', second % 10 < 2 ? 'failure' : 'success');
      rig.clock.advance(1_000);
    }
    expect(rig.view().trips).toBe(0);
    expect(rig.view().counts.calls).toBeLessThanOrEqual(10);
    expect(rig.view().againstCounts.calls).toBeLessThanOrEqual(500);
    rig.clock.advance(20_000);
    expect(rig.view()).toMatchObject({ counts: { calls: 0, failures: 0 }, againstCounts: { calls: 0, failures: 0 } });
  });

  it('counts silence as failure, and what says nothing not at all', () => {
    const rig = guardRig();
    rig.attempts('stable', 'success', 500);
    rig.attempts('stable', 'neutral', 100);
    rig.attempts('canary', 'neutral', 100);
    expect(rig.view()).toMatchObject({ counts: { calls: 0 }, againstCounts: { calls: 500, failures: 0 } });
    rig.attempts('canary', 'silent', 20);
    expect(rig.view().trips).toBe(1);
  });

  it('takes an open breaker over, and closes it in the end', () => {
    const rig = guardRig();
    rig.attempts('stable', 'success', 500);
    const breaker = rig.registry.forSubset(subset('canary', {}), 'dc1');
    breaker.open('the breaker itself');
    rig.clock.advance(4_000);
    rig.attempts('canary', 'failure', 20);
    rig.clock.advance(50_000);
    // Its own probe would have been due long ago.
    expect(rig.states()).toEqual({ 'canary@dc1': 'open', 'canary@dc2': 'open' });
    rig.clock.advance(10_000);
    expect(rig.states()).toEqual({ 'canary@dc1': 'closed', 'canary@dc2': 'closed' });
  });

  it('yields to a hand on a breaker', () => {
    const rig = guardRig();
    fail(rig);
    (rig.registry.opossum('canary@dc1') as { close(): void }).close();
    expect([rig.isShed('dc1'), rig.isShed('dc2')]).toEqual([false, true]);
    rig.clock.advance(60_000);
    expect(rig.states()).toEqual({ 'canary@dc1': 'closed', 'canary@dc2': 'closed' });
  });

  it('is not hurried by new numbers of the breaker', () => {
    const rig = guardRig();
    rig.registry.forSubset(subset('canary', {}), 'dc1').open('the breaker itself');
    fail(rig);
    const quick = { ...subset('canary').subsetBreaker, resetTimeoutMs: 100, maxResetTimeoutMs: 100 };
    const canary = subset('canary', {}, { subsetBreaker: quick });
    rig.registry.configure({ endpoint: () => undefined, subsets: plans(subset('stable'), canary) });
    rig.clock.advance(59_999);
    expect(rig.states()).toEqual({ 'canary@dc1': 'open', 'canary@dc2': 'open' });
  });

  it('leaves nothing behind of a subset that was shed everywhere before', () => {
    const rig = guardRig();
    const [dc1, dc2] = ['dc1', 'dc2'].map((datacenter) => rig.registry.forSubset(subset('canary', {}), datacenter));
    dc1?.open('the one');
    dc2?.open('the other');
    expect(rig.isShed('dc3')).toBe(true);
    fail(rig);
    rig.clock.advance(60_000);
    expect(['dc1', 'dc2', 'dc3', 'dc4'].map((datacenter) => rig.isShed(datacenter))).toEqual(new Array(4).fill(false));
  });

  it('sheds where the breaker is off', () => {
    const rig = guardRig();
    const off = subset('canary', {}, { subsetBreaker: { ...subset('canary').subsetBreaker, enabled: false } });
    rig.registry.configure({ endpoint: () => undefined, subsets: plans(subset('stable'), off) });
    expect(rig.isShed()).toBe(false);
    fail(rig);
    expect(rig.isShed()).toBe(true);
    expect(rig.registry.views()[0]).toMatchObject({ state: 'open', isEnabled: true });
    rig.clock.advance(60_000);
    expect(rig.isShed()).toBe(false);
    expect(rig.registry.views()[0]).toMatchObject({ state: 'closed', isEnabled: false });
  });

  it('that only tells sheds nobody', () => {
    const rig = guardRig({ dryRun: true });
    fail(rig);
    expect(rig.isShed()).toBe(false);
    expect(rig.view()).toMatchObject({ isDryRun: true, heldForMs: 60_000, trips: 1 });
    expect(rig.changes[0]).toMatchObject({ event: 'shed', isDryRun: true });
    rig.clock.advance(60_000);
    expect(rig.changes[1]).toMatchObject({ event: 'restored', isDryRun: true });
  });
});

describe('a guard of times', () => {
  const take = (rig: GuardRig, canaryMs: number, stableMs: number, calls = 400): void => {
    for (let call = 0; call < calls && rig.view().trips === 0; call += 1) {
      // Half to twice the time, evenly on a logarithmic scale.
      const spread = 2 ** (((call * 7) % 11) / 5 - 1);
      rig.attempts('stable', 'success', 1, stableMs * spread);
      rig.attempts('stable', 'success', 1, stableMs / spread);
      rig.attempts('canary', 'success', 1, canaryMs * spread);
    }
  };

  it('sheds a canary whose median is more times that of stable than it may be', () => {
    const rig = guardRig({ maxLatencyFactor: 2 });
    take(rig, 30, 10);
    expect(rig.view().trips).toBe(1);
    expect(rig.view().counts.calls).toBeLessThan(150);
    const [canary, stable] = [rig.view().counts.medianMs, rig.view().againstCounts.medianMs];
    expect((canary ?? 0) / (stable ?? 1)).toBeGreaterThan(2);
    expect(rig.view().because).toMatch(
      /^guard: half of \d+ took (2[5-9]|3[0-5]) ms or longer, stable (9\.\d|1[01]) ms$/,
    );
  });

  it.each([
    [10, 10],
    [18, 10],
    [3, 10],
  ])('leaves one alone that takes %d ms where stable takes %d', (canaryMs, stableMs) => {
    const rig = guardRig({ maxLatencyFactor: 2 });
    take(rig, canaryMs, stableMs);
    expect(rig.view().trips).toBe(0);
  });

  it('does not hold the noise in the median of stable against the canary', () => {
    // Two of five calls are answered from a cache: which part the median of few calls to stable is in is a matter of chance.
    let trips = 0;
    for (let seed = 1; seed <= 50; seed += 1) {
      const random = seededRandom(seed);
      const rig = guardRig({ maxLatencyFactor: 2 });
      const take = (name: string): void => rig.attempts(name, 'success', 1, random() < 0.4 ? 1 : 20);
      for (let call = 0; call < 30; call += 1) take('stable');
      for (let call = 0; call < 1_500; call += 1) take('canary');
      trips += rig.view().trips;
    }
    expect(trips).toBe(0);
  });

  it('compares no times where none are asked for', () => {
    const rig = guardRig();
    take(rig, 3_000, 10);
    expect(rig.view().trips).toBe(0);
    expect(rig.view().counts.medianMs).toBeUndefined();
  });
});

describe('a new policy', () => {
  const configure = (rig: GuardRig, ...args: Parameters<typeof subset>): void =>
    rig.guards.configure(plans(subset('stable'), subset('other'), subset(...args)));

  it('with other numbers keeps what was counted', () => {
    const rig = guardRig({ minimumCalls: 1_000 });
    rig.attempts('stable', 'success', 500);
    rig.attempts('canary', 'failure', 30);
    configure(rig, 'canary', { minimumCalls: 10, windowMs: 120_000 });
    expect(rig.view()).toMatchObject({ counts: { calls: 30, failures: 30 }, againstCounts: { calls: 500 }, trips: 0 });
    rig.attempts('canary', 'failure');
    expect(rig.view().trips).toBe(1);
  });

  it('shortens the time that it still sheds, and never lengthens it', () => {
    const rig = guardRig();
    fail(rig);
    configure(rig, 'canary', { holdMs: 600_000 });
    expect(rig.view().heldForMs).toBe(60_000);
    rig.clock.advance(20_000);
    configure(rig, 'canary', { holdMs: 30_000 });
    expect(rig.view().heldForMs).toBe(10_000);
    rig.clock.advance(10_000);
    expect(rig.isShed()).toBe(false);
  });

  it('without the guard lets go at once', () => {
    const rig = guardRig();
    fail(rig);
    rig.guards.configure(plans(subset('stable'), subset('canary')));
    expect(rig.isShed()).toBe(false);
    expect(rig.guards.isEmpty).toBe(true);
    expect(rig.clock.pending).toBe(0);
    rig.attempts('canary', 'failure', 100);
    expect(rig.guards.views()).toEqual([]);
  });

  it('that means other instances by the name is a new beginning', () => {
    const rig = guardRig();
    fail(rig);
    configure(rig, 'canary', {}, { meta: { version: 'v3' } });
    expect(rig.isShed()).toBe(false);
    expect(rig.view().counts).toMatchObject({ calls: 0, failures: 0 });
    fail(rig);
    expect(rig.view().heldForMs).toBe(60_000);
  });

  it('against another subset counts that one from then on', () => {
    const rig = guardRig();
    rig.attempts('stable', 'success', 500);
    configure(rig, 'canary', { against: 'other' });
    rig.attempts('stable', 'success', 500);
    rig.attempts('other', 'failure', 5);
    expect(rig.view()).toMatchObject({ against: 'other', againstCounts: { calls: 5, failures: 5 } });
  });

  it('that only tells lets go, and one that sheds waits for a reason of its own', () => {
    const rig = guardRig();
    fail(rig);
    configure(rig, 'canary', { dryRun: true });
    expect([rig.isShed(), rig.view().heldForMs]).toEqual([false, undefined]);
  });
});

it('of a closed Graylane client leaves no timer', () => {
  const rig = guardRig();
  fail(rig);
  rig.guards.close();
  rig.registry.close();
  expect(rig.clock.pending).toBe(0);
  expect(rig.changes).toHaveLength(1);
});
