import { describe, expect, it } from 'vitest';
import type { Breaker } from '../../../../src/client/breaker/breaker';
import { NO_PERMIT } from '../../../../src/client/breaker/probe-gate';
import { BreakerRegistry } from '../../../../src/client/breaker/registry';
import { FakeClock } from '../../../../src/client/testing/fake-clock';
import { DEFAULT_BREAKER, DEFAULT_SUBSET_BREAKER } from '../../../../src/policy/defaults';
import type { SubsetPlan } from '../../../../src/policy/plan';
import { noJitter, plan } from './fixture';

const ENDPOINT = 'dc1/10.0.0.1:80';

function subset(name: string, changes: Partial<SubsetPlan> = {}): SubsetPlan {
  const nothing = { tags: [], meta: {}, filter: undefined };
  const breakers = { breaker: DEFAULT_BREAKER, subsetBreaker: DEFAULT_SUBSET_BREAKER };
  return { name, ...nothing, fallback: undefined, fallbackMaxPercentage: 100, ...breakers, ...changes };
}

const canary = subset('canary', { fallback: 'stable' });
const stable = subset('stable');

function setUp() {
  const clock = new FakeClock();
  const errors: unknown[] = [];
  const onListenerError = (error: unknown): unknown => errors.push(error);
  const registry = new BreakerRegistry({ clock, random: noJitter, service: 'payments', onListenerError });
  const changes: string[] = [];
  registry.subscribe(({ key, event, state }) => changes.push(`${key} ${event} ${state}`));
  const record = (breaker: Breaker, outcome: 'success' | 'failure', times = 1): void => {
    for (let time = 0; time < times; time += 1) breaker.record(breaker.begin(clock.now()), outcome, clock.now());
  };
  const isShed = (name: string, datacenter: string): boolean => registry.isShed(name, datacenter, clock.now());
  return { clock, registry, changes, errors, record, isShed };
}

function states(registry: BreakerRegistry): Record<string, string> {
  return Object.fromEntries(registry.views().map((view) => [view.key, view.state]));
}

describe('an endpoint', () => {
  it('has a breaker from its first failure on, which counts the attempts that began before', () => {
    const { registry, changes, clock } = setUp();
    expect(registry.forEndpoint(ENDPOINT)).toBeUndefined();
    for (let time = 0; time < 5; time += 1) {
      registry.failed(ENDPOINT, plan()).record(NO_PERMIT, 'failure', clock.now(), 3, 'UNAVAILABLE: connect refused');
    }
    expect(registry.forEndpoint(ENDPOINT)?.state).toBe('open');
    expect(changes).toEqual([`${ENDPOINT} open open`]);
    clock.advance(1000);
    expect(registry.views()).toEqual([
      {
        key: ENDPOINT,
        level: 'endpoint',
        state: 'open',
        isEnabled: true,
        counts: { successes: 0, failures: 5 },
        consecutiveFailures: 5,
        silentFailures: 0,
        isDoubtful: false,
        probesInMs: 4000,
        openedBecause: '5 failures in a row',
        lastFailure: { reason: 'UNAVAILABLE: connect refused', agoMs: 1000 },
      },
    ]);
  });

  it('that has left is forgotten, and what it leaves behind disturbs nobody', () => {
    const { registry, clock, record } = setUp();
    const breaker = registry.failed(ENDPOINT, plan());
    const permit = breaker.begin(clock.now());
    record(breaker, 'failure', 5);
    registry.forget(ENDPOINT);
    registry.forget(ENDPOINT);
    expect(registry.forEndpoint(ENDPOINT)).toBeUndefined();
    expect(registry.views()).toEqual([]);
    clock.advance(1000);
    expect(clock.pending).toBe(0);
    breaker.record(permit, 'failure', clock.now());
    expect(breaker.admits(clock.now())).toBe(true);
  });
});

describe('a subset in one datacenter', () => {
  it('is shed when half of ten calls fail, and elsewhere it is not, as long as they are fewer than ten', () => {
    const { registry, record, isShed } = setUp();
    const breaker = registry.forSubset(canary, 'dc1');
    registry.forSubset(canary, 'dc2');
    expect(registry.forSubset(canary, 'dc1')).toBe(breaker);
    record(breaker, 'success', 5);
    record(breaker, 'failure', 4);
    expect(isShed('canary', 'dc1')).toBe(false);
    record(breaker, 'failure');
    expect(isShed('canary', 'dc1')).toBe(true);
    expect(isShed('canary', 'dc2')).toBe(false);
    expect(isShed('stable', 'dc1')).toBe(false);
  });

  it('comes back by one call a second, three of which must go well', () => {
    const { registry, record, isShed, clock, changes } = setUp();
    const breaker = registry.forSubset(canary, 'dc1');
    record(breaker, 'failure', 10);
    clock.advance(5000);
    const shed: boolean[] = [];
    for (let quarter = 0; quarter < 9; quarter += 1) {
      shed.push(isShed('canary', 'dc1'));
      if (!isShed('canary', 'dc1')) record(breaker, 'success');
      clock.advance(250);
    }
    expect(shed).toEqual([false, true, true, true, false, true, true, true, false]);
    expect(changes).toEqual(['canary@dc1 open open', 'canary@dc1 halfOpen halfOpen', 'canary@dc1 close closed']);
    expect(isShed('canary', 'dc1')).toBe(false);
  });
});

describe('a subset that did well until a moment ago', () => {
  it('is shed at its tenth failure in a row, and not for ten among others', () => {
    const { registry, record, isShed } = setUp();
    const breaker = registry.forSubset(canary, 'dc1');
    record(breaker, 'success', 500);
    for (let round = 0; round < 4; round += 1) {
      record(breaker, 'failure', 9);
      record(breaker, 'success');
    }
    expect(isShed('canary', 'dc1')).toBe(false);
    record(breaker, 'failure', 10);
    expect(isShed('canary', 'dc1')).toBe(true);
    expect(registry.views()[0]?.openedBecause).toBe('10 failures in a row');
  });
});

describe('a subset everywhere', () => {
  it('is shed on ten failures in one datacenter, also where it was not called before', () => {
    const { registry, record, isShed } = setUp();
    registry.forSubset(canary, 'dc2');
    record(registry.forSubset(canary, 'dc1'), 'failure', 10);
    expect(states(registry)).toEqual({ 'canary@dc1': 'open', 'canary@dc2': 'open' });
    expect(isShed('canary', 'dc3')).toBe(true);
    expect(registry.views().map((view) => view.openedBecause)).toEqual([
      'opened with canary@dc1',
      '10 of 10 attempts failed',
      'the subset is shed in every datacenter',
    ]);
  });

  it('is shed when a second datacenter opens', () => {
    const { registry, record, isShed } = setUp();
    for (const datacenter of ['dc1', 'dc2', 'dc3']) record(registry.forSubset(canary, datacenter), 'success', 5);
    record(registry.forSubset(canary, 'dc1'), 'failure', 5);
    expect(isShed('canary', 'dc3')).toBe(false);
    record(registry.forSubset(canary, 'dc2'), 'failure', 5);
    expect(isShed('canary', 'dc3')).toBe(true);
  });

  it('finds back in each datacenter by itself: a dead one does not keep a healthy one out, nor shed it again', () => {
    const { registry, record, isShed, clock } = setUp();
    const [dead, healthy] = [registry.forSubset(canary, 'dc1'), registry.forSubset(canary, 'dc2')];
    record(dead, 'failure', 10);
    for (let second = 0; second < 60; second += 1) {
      clock.advance(1000);
      if (!isShed('canary', 'dc1')) record(dead, 'failure');
      if (!isShed('canary', 'dc2')) record(healthy, 'success');
    }
    expect([dead.state === 'closed', healthy.state]).toEqual([false, 'closed']);
    expect(isShed('canary', 'dc3')).toBe(false);
  });

  it('is not shed again by a probe that fails while the old failures are still in the window', () => {
    const { registry, record, clock } = setUp();
    const subsetBreaker = { ...DEFAULT_SUBSET_BREAKER, resetTimeoutMs: 500 };
    const quick = subset('canary', { fallback: 'stable', subsetBreaker });
    const [dead, healthy] = [registry.forSubset(quick, 'dc1'), registry.forSubset(quick, 'dc2')];
    record(dead, 'failure', 10);
    clock.advance(500);
    for (let second = 0; second < 3; second += 1) {
      record(healthy, 'success');
      clock.advance(1000);
    }
    record(dead, 'failure');
    expect(dead.circuit.tally().failures).toBe(11);
    expect([dead.state, healthy.state]).toEqual(['open', 'closed']);
  });

  it('gets its first call in a datacenter that nobody called before, while another stays dead', () => {
    const { registry, record, isShed, clock } = setUp();
    record(registry.forSubset(canary, 'dc1'), 'failure', 10);
    expect(isShed('canary', 'dc2')).toBe(true);
    clock.advance(5000);
    expect(isShed('canary', 'dc2')).toBe(false);
  });

  it('is not shed where nobody could stand in', () => {
    const { registry, record } = setUp();
    registry.forSubset(stable, 'dc2');
    record(registry.forSubset(stable, 'dc1'), 'failure', 10);
    expect(states(registry)).toEqual({ 'stable@dc1': 'open', 'stable@dc2': 'closed' });
  });
});

describe('the registry', () => {
  it('takes over a new plan without losing state, and forgets subsets that are gone', () => {
    const { registry, record, clock } = setUp();
    const breaker = registry.failed(ENDPOINT, plan());
    record(breaker, 'failure', 5);
    record(registry.forSubset(canary, 'dc1'), 'failure', 3);
    registry.forSubset(stable, 'dc1');
    const quick = { ...DEFAULT_SUBSET_BREAKER, volumeThreshold: 4 };
    registry.configure({
      endpoint: (key) => (key === ENDPOINT ? plan({ resetTimeoutMs: 100 }) : undefined),
      subsets: new Map([['canary', subset('canary', { fallback: 'stable', subsetBreaker: quick })]]),
    });
    expect(states(registry)).toEqual({ 'canary@dc1': 'closed', [ENDPOINT]: 'open' });
    clock.advance(100);
    expect(breaker.state).toBe('halfOpen');
    record(registry.forSubset(canary, 'dc1'), 'failure');
    expect(registry.forSubset(canary, 'dc1').state).toBe('open');
  });

  it('hands out the opossum of a subset, not of an endpoint', () => {
    const { registry, record, clock, isShed } = setUp();
    record(registry.forSubset(canary, 'dc1'), 'failure', 3);
    registry.failed(ENDPOINT, plan());
    expect(registry.opossum(ENDPOINT)).toBeUndefined();
    expect(registry.opossum('canary@dc9')).toBeUndefined();
    const opossum = registry.opossum('canary@dc1') as Breaker['circuit'];
    expect([opossum.name, opossum.closed, opossum.status.stats.failures]).toEqual(['payments/canary@dc1', true, 3]);
    const snapshots: unknown[] = [];
    opossum.status.on('snapshot', ({ failures }) => snapshots.push(failures));
    clock.advance(1000);
    expect(snapshots).toEqual([3]);
    opossum.open();
    expect(isShed('canary', 'dc1')).toBe(true);
    opossum.close();
    expect(isShed('canary', 'dc1')).toBe(false);
  });

  it('rotates while something is counted, then rests', () => {
    const { registry, record, clock } = setUp();
    const breaker = registry.forSubset(canary, 'dc1');
    expect(clock.pending).toBe(0);
    record(breaker, 'success', 7);
    expect(clock.pending).toBe(1);
    clock.advance(9_000);
    expect(breaker.circuit.status.stats.successes).toBe(7);
    clock.advance(1_000);
    expect(breaker.circuit.status.stats.successes).toBe(0);
    expect(clock.pending).toBe(0);
    record(breaker, 'success');
    expect(clock.pending).toBe(1);
  });

  it('outlives listeners that throw, and tells each subscription once', () => {
    const { registry, record, errors, changes } = setUp();
    const heard: string[] = [];
    registry.subscribe(() => {
      throw new Error('a bad listener');
    });
    const listener = (): unknown => heard.push('heard');
    const stop = registry.subscribe(listener);
    registry.subscribe(listener);
    record(registry.failed(ENDPOINT, plan()), 'failure', 5);
    expect([heard.length, changes.length, errors]).toEqual([2, 1, [new Error('a bad listener')]]);
    stop();
    registry.failed(ENDPOINT, plan()).circuit.close();
    expect(heard).toHaveLength(3);
  });

  it('leaves no timer when it closes, and what outlives it counts nothing', () => {
    const { registry, record, clock, changes } = setUp();
    const breaker = registry.failed(ENDPOINT, plan());
    record(breaker, 'failure', 5);
    record(registry.forSubset(canary, 'dc1'), 'success');
    expect(clock.pending).toBe(2);
    registry.close();
    registry.close();
    expect(clock.pending).toBe(0);
    changes.length = 0;
    record(breaker, 'failure', 5);
    record(registry.failed('dc1/10.0.0.2:80', plan()), 'failure', 5);
    record(registry.forSubset(stable, 'dc1'), 'failure', 50);
    expect(breaker.admits(clock.now())).toBe(true);
    expect([clock.pending, changes]).toEqual([0, []]);
  });
});
