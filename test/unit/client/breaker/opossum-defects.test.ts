import { EventEmitter } from 'node:events';
import CircuitBreaker from 'opossum';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../../src/base/clock';
import { NO_PERMIT } from '../../../../src/client/breaker/probe-gate';
import { BreakerRegistry } from '../../../../src/client/breaker/registry';
import { halfOpened, LEASE_MS, noJitter, plan, rig } from './fixture';

/**
 * For each thing in opossum that the adapter is built around: that opossum still has it, so that this fails on the day it changes,
 * and that a breaker of ours is free of it.
 */

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

const failing = (): Promise<never> => Promise.reject(new Error('down'));
const quiet = { timeout: false, enableSnapshots: false, resetTimeout: 1000 } as const;

async function fire(breaker: CircuitBreaker, times = 1): Promise<void> {
  for (let time = 0; time < times; time += 1) await breaker.fire().catch(() => undefined);
}

/** An opossum breaker whose calls end when they are told to. */
function controlled(options: CircuitBreaker.Options = {}) {
  const calls: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];
  const breaker = new CircuitBreaker(
    () =>
      new Promise((resolve, reject) => {
        calls.push({ resolve, reject });
      }),
    { ...quiet, ...options },
  );
  return { breaker, calls };
}

describe('a late success of a call begun before it opened', () => {
  it('closes a half-open opossum', async () => {
    const { breaker, calls } = controlled();
    const late = breaker.fire();
    const failed = breaker.fire().catch(() => undefined);
    calls[1]?.reject(new Error('down'));
    await failed;
    breaker.open();
    vi.advanceTimersByTime(1000);
    expect(breaker.halfOpen).toBe(true);
    calls[0]?.resolve('late');
    await late;
    expect(breaker.closed).toBe(true);
  });

  it('leaves ours as it is', () => {
    const { breaker, success } = halfOpened();
    success(NO_PERMIT);
    expect(breaker.state).toBe('halfOpen');
  });
});

describe('a probe that never settles', () => {
  it('keeps opossum half-open for good, refusing everything', async () => {
    const { breaker } = controlled();
    breaker.open();
    vi.advanceTimersByTime(1000);
    void breaker.fire();
    vi.advanceTimersByTime(3_600_000);
    await expect(breaker.fire()).rejects.toThrow('Breaker is open');
    expect(breaker.halfOpen).toBe(true);
  });

  it('holds ours up for a lease', () => {
    const { breaker, clock, begin } = halfOpened();
    begin();
    expect(breaker.admits(clock.now())).toBe(false);
    clock.advance(LEASE_MS);
    expect(breaker.admits(clock.now())).toBe(true);
  });
});

describe('an outcome that says nothing', () => {
  it('is a success to opossum when its filter excuses it, and closes a half-open one', async () => {
    const breaker = new CircuitBreaker(failing, { ...quiet, errorFilter: () => true });
    breaker.open();
    vi.advanceTimersByTime(1000);
    await fire(breaker);
    expect([breaker.closed, breaker.stats.successes]).toEqual([true, 1]);
  });

  it('is not counted by ours, and gives the probe back', () => {
    const { breaker, clock, begin } = halfOpened();
    breaker.record(begin(), 'neutral', clock.now());
    expect([breaker.state, breaker.admits(clock.now())]).toEqual(['halfOpen', true]);
    expect(breaker.view(clock.now()).counts.successes).toBe(0);
  });
});

describe('the threshold', () => {
  it('must be exceeded in opossum', async () => {
    let isDown = false;
    const breaker = new CircuitBreaker(() => (isDown ? failing() : Promise.resolve('up')), { ...quiet });
    await fire(breaker, 5);
    isDown = true;
    await fire(breaker, 5);
    expect([breaker.stats.failures, breaker.stats.fires, breaker.opened]).toEqual([5, 10, false]);
  });

  it('is enough when it is reached in ours', () => {
    const { breaker, success, failure } = rig(plan({ consecutiveFailures: 0, volumeThreshold: 10 }));
    for (let time = 0; time < 5; time += 1) success();
    for (let time = 0; time < 5; time += 1) failure();
    expect(breaker.state).toBe('open');
  });

  it('of volume is fixed at construction in opossum, and taken over at run time in ours', () => {
    const options: CircuitBreaker.Options = { ...quiet, volumeThreshold: 7 };
    const opossum = new CircuitBreaker(failing, options);
    options.volumeThreshold = 1;
    expect(opossum.volumeThreshold).toBe(7);
    const { breaker, failure } = rig(plan({ consecutiveFailures: 0, volumeThreshold: 7 }));
    breaker.configure(plan({ consecutiveFailures: 0, volumeThreshold: 1 }));
    failure();
    expect(breaker.state).toBe('open');
  });
});

describe('statistics', () => {
  it('survive a close in opossum, so that one failure opens it again', async () => {
    let isDown = true;
    const breaker = new CircuitBreaker(() => (isDown ? failing() : Promise.resolve('up')), {
      ...quiet,
      volumeThreshold: 5,
    });
    await fire(breaker, 5);
    vi.advanceTimersByTime(1000);
    isDown = false;
    await fire(breaker);
    expect(breaker.closed).toBe(true);
    isDown = true;
    await fire(breaker);
    expect(breaker.opened).toBe(true);
  });

  it('begin anew when ours closes', () => {
    const { breaker, clock, failure, success } = halfOpened(plan({ volumeThreshold: 2 }));
    success();
    failure();
    expect(breaker.state).toBe('closed');
    expect(breaker.view(clock.now()).counts).toEqual({ successes: 0, failures: 1 });
  });

  it('keep the latency of every call in opossum, percentiles or not; ours keep none', async () => {
    const opossum = new CircuitBreaker(() => Promise.resolve('up'), { ...quiet, rollingPercentilesEnabled: false });
    await fire(opossum, 100);
    expect(opossum.status.window[0]?.latencyTimes).toHaveLength(100);
    const { breaker, clock, success } = rig();
    for (let time = 0; time < 100; time += 1) {
      clock.advance(50);
      success();
    }
    expect(breaker.view(clock.now()).counts.successes).toBe(100);
    expect(breaker.circuit.status.window.map((bucket) => bucket.latencyTimes.length)).toEqual(new Array(10).fill(0));
  });
});

describe('options', () => {
  it('are kept and changed by opossum', () => {
    const options: CircuitBreaker.Options = {};
    const first = new CircuitBreaker(failing, options);
    expect(options.resetTimeout).toBe(30_000);
    options.resetTimeout = 1000;
    first.open();
    vi.advanceTimersByTime(1000);
    expect(first.halfOpen).toBe(true);
  });

  it('are an object of its own in each of ours', () => {
    const rules = Object.freeze(plan());
    const [one, other] = [rig(rules), rig(rules)];
    expect(one.breaker.circuit.options).not.toBe(other.breaker.circuit.options);
    one.breaker.configure(plan({ resetTimeoutMs: 1 }));
    expect(one.breaker.circuit.options['resetTimeout']).toBe(1);
    expect(other.breaker.circuit.options['resetTimeout']).toBe(5000);
  });

  it('restore an opossum by when it was made, not by when it opened', () => {
    const breaker = new CircuitBreaker(failing, { ...quiet });
    const madeAt = Date.now();
    vi.advanceTimersByTime(60_000);
    breaker.open();
    expect(breaker.toJSON().state.lastTimerAt).toBe(madeAt);
  });
});

describe('timers', () => {
  it('are two for each opossum, and one more while it is open', () => {
    const breaker = new CircuitBreaker(failing, {});
    expect(vi.getTimerCount()).toBe(2);
    breaker.open();
    expect(vi.getTimerCount()).toBe(3);
    breaker.shutdown();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that reset it are the only way to half-open, and a forgotten one is left behind at each opening', () => {
    const breaker = new CircuitBreaker(failing, { ...quiet, rotateBucketController: new EventEmitter() });
    expect(breaker.listeners('open')).toHaveLength(2);
    breaker.open();
    breaker.emit('open');
    expect(vi.getTimerCount()).toBe(2);
    breaker.close();
    expect(vi.getTimerCount()).toBe(1);
  });

  it('are none for each of ours, one for all that count, and one for each that is open', () => {
    const registry = new BreakerRegistry({ clock: systemClock, random: noJitter });
    const breakers = Array.from({ length: 10 }, (_, index) => registry.failed(`dc1/10.0.0.${index}:80`, plan()));
    expect(vi.getTimerCount()).toBe(0);
    for (const breaker of breakers) breaker.record(NO_PERMIT, 'failure', systemClock.now());
    expect(vi.getTimerCount()).toBe(1);
    for (let time = 0; time < 4; time += 1) breakers[0]?.record(NO_PERMIT, 'failure', systemClock.now());
    expect(breakers[0]?.state).toBe('open');
    expect(vi.getTimerCount()).toBe(2);
    vi.advanceTimersByTime(60_000);
    expect(breakers[0]?.state).toBe('halfOpen');
    expect(vi.getTimerCount()).toBe(0);
    registry.close();
  });

  it('of a health check survive the shutdown of an opossum; ours has none', () => {
    const breaker = new CircuitBreaker(failing, {});
    breaker.healthCheck(() => Promise.resolve(), 1000);
    breaker.shutdown();
    expect(vi.getTimerCount()).toBe(1);
    vi.clearAllTimers();
    const ours = rig();
    ours.breaker.dispose();
    expect([vi.getTimerCount(), ours.clock.pending]).toEqual([0, 0]);
  });
});

describe('the rotation controller', () => {
  it('collects a listener from each opossum; that of ours collects none', () => {
    const controller = new EventEmitter();
    new CircuitBreaker(failing, { ...quiet, rotateBucketController: controller });
    new CircuitBreaker(failing, { ...quiet, rotateBucketController: controller });
    expect(controller.listenerCount('rotate')).toBe(2);
    const stub = rig().breaker.circuit.options['rotateBucketController'];
    expect(stub).not.toBeInstanceOf(EventEmitter);
    expect(Object.isFrozen(stub)).toBe(true);
  });
});

describe('calls that go through opossum', () => {
  it('count as running ones, so that concurrent failures open it late; those of ours are counted when they end', async () => {
    const { breaker: opossum, calls } = controlled({ errorThresholdPercentage: 50, volumeThreshold: 2 });
    const running = Array.from({ length: 10 }, () => opossum.fire().catch(() => undefined));
    for (const call of calls.slice(0, 5)) call.reject(new Error('down'));
    await Promise.all(running.slice(0, 5));
    expect([opossum.stats.fires, opossum.opened]).toEqual([10, false]);

    const { breaker, begin, failure } = rig(plan({ consecutiveFailures: 0, volumeThreshold: 2 }));
    const permits = Array.from({ length: 10 }, begin);
    failure(permits[0]);
    failure(permits[1]);
    expect(breaker.state).toBe('open');
  });

  it('that return nothing are failures, and one timeout aborts every later one; none go through ours', async () => {
    const nothing = new CircuitBreaker((() => undefined) as never, { ...quiet });
    await fire(nothing);
    expect(nothing.stats.failures).toBe(1);

    const abortController = new AbortController();
    const slow = new CircuitBreaker(() => new Promise(() => undefined), {
      timeout: 10,
      enableSnapshots: false,
      abortController,
    });
    const ended = fire(slow);
    vi.advanceTimersByTime(10);
    await ended;
    slow.close();
    expect(abortController.signal.aborted).toBe(true);
    expect(rig().breaker.circuit.options['abortController']).toBeUndefined();
  });
});
