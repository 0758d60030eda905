import { describe, expect, it } from 'vitest';
import type { OpossumBreaker } from '../../../../src/client/breaker/circuit';
import { BYPASS, isProbePermit, NO_PERMIT, ProbeTrickle } from '../../../../src/client/breaker/probe-gate';
import { halfOpened, LEASE_MS, opened, plan, type Rig, rig } from './fixture';

const states = { closed: rig, open: opened, halfOpen: halfOpened } as const;

/** What happens to a breaker, from the point of view of one attempt that began in the state named. */
const events = {
  success: (it: Rig) => it.success(),
  failure: (it: Rig) => it.failure(),
  silent: (it: Rig) => it.silent(),
  neutral: (it: Rig) => it.breaker.record(it.begin(), 'neutral', it.clock.now()),
  release: (it: Rig) => it.breaker.release(it.begin()),
  'late success': (it: Rig) => it.success(NO_PERMIT),
  'late failure': (it: Rig) => it.failure(NO_PERMIT),
  offer: (it: Rig) => it.breaker.offer(it.clock.now()),
  'reset time': (it: Rig) => it.clock.advance(5_000),
  'opened by hand': (it: Rig) => it.breaker.circuit.open(),
  'closed by hand': (it: Rig) => it.breaker.circuit.close(),
  'new plan': (it: Rig) => it.breaker.configure(plan({ volumeThreshold: 9 })),
  'turned off': (it: Rig) => it.breaker.configure(plan({ enabled: false })),
} as const;

type Row = readonly [keyof typeof states, keyof typeof events, 'closed' | 'open' | 'halfOpen', admits: boolean];

describe('each event in each state', () => {
  it.each<Row>([
    ['closed', 'success', 'closed', true],
    ['closed', 'failure', 'closed', true],
    ['closed', 'silent', 'closed', true],
    ['closed', 'neutral', 'closed', true],
    ['closed', 'release', 'closed', true],
    ['closed', 'late success', 'closed', true],
    ['closed', 'late failure', 'closed', true],
    ['closed', 'offer', 'closed', true],
    ['closed', 'reset time', 'closed', true],
    ['closed', 'opened by hand', 'open', false],
    ['closed', 'closed by hand', 'closed', true],
    ['closed', 'new plan', 'closed', true],
    ['closed', 'turned off', 'closed', true],
    ['open', 'success', 'open', false],
    ['open', 'failure', 'open', false],
    ['open', 'silent', 'open', false],
    ['open', 'neutral', 'open', false],
    ['open', 'release', 'open', false],
    ['open', 'late success', 'open', false],
    ['open', 'late failure', 'open', false],
    ['open', 'offer', 'open', false],
    ['open', 'reset time', 'halfOpen', true],
    ['open', 'opened by hand', 'open', false],
    ['open', 'closed by hand', 'closed', true],
    ['open', 'new plan', 'open', false],
    ['open', 'turned off', 'open', true],
    ['halfOpen', 'success', 'closed', true],
    ['halfOpen', 'failure', 'open', false],
    ['halfOpen', 'silent', 'open', false],
    ['halfOpen', 'neutral', 'halfOpen', true],
    ['halfOpen', 'release', 'halfOpen', true],
    ['halfOpen', 'late success', 'halfOpen', true],
    ['halfOpen', 'late failure', 'halfOpen', true],
    ['halfOpen', 'offer', 'halfOpen', false],
    ['halfOpen', 'reset time', 'halfOpen', true],
    ['halfOpen', 'opened by hand', 'open', false],
    ['halfOpen', 'closed by hand', 'closed', true],
    ['halfOpen', 'new plan', 'halfOpen', true],
    ['halfOpen', 'turned off', 'halfOpen', true],
  ])('%s, %s: %s, admits: %s', (from, event, to, admits) => {
    const subject = states[from]();
    expect(subject.breaker.state).toBe(from);
    events[event](subject);
    expect(subject.breaker.state).toBe(to);
    expect(subject.breaker.admits(subject.clock.now())).toBe(admits);
    // What the ecosystem sees is what we act on.
    const circuit: OpossumBreaker = subject.breaker.circuit;
    expect([circuit.closed, circuit.opened, circuit.halfOpen]).toEqual([
      to === 'closed',
      to === 'open',
      to === 'halfOpen',
    ]);
    expect(subject.clock.pending).toBe(to === 'open' ? 1 : 0);
    subject.breaker.dispose();
    expect(subject.clock.pending).toBe(0);
    expect(subject.breaker.admits(subject.clock.now())).toBe(true);
  });
});

describe('what opens it', () => {
  it('failures in a row, not before', () => {
    const { breaker, failure, success } = rig(plan({ volumeThreshold: 1000 }));
    for (let time = 0; time < 4; time += 1) failure();
    success();
    for (let time = 0; time < 4; time += 1) failure();
    expect(breaker.state).toBe('closed');
    failure();
    expect(breaker.state).toBe('open');
    expect(breaker.view(0).openedBecause).toBe('5 failures in a row');
  });

  it('failures in a row of attempts as they began, while slow ones of before still end well', () => {
    const { breaker, clock } = rig(plan({ volumeThreshold: 1000 }));
    const permits = Array.from({ length: 10 }, () => breaker.begin(clock.now()));
    for (const permit of permits.slice(0, 4)) {
      clock.advance(100);
      breaker.record(breaker.begin(clock.now()), 'failure', clock.now(), 1);
      breaker.record(permit, 'success', clock.now(), 1_000);
    }
    expect(breaker.state).toBe('closed');
    expect(breaker.view(clock.now()).consecutiveFailures).toBe(4);
    breaker.record(breaker.begin(clock.now()), 'failure', clock.now(), 1);
    expect(breaker.state).toBe('open');
    expect(breaker.view(clock.now()).openedBecause).toBe('5 failures in a row');
  });

  it.each([
    ['one that began later and went well', 'success'],
    ['one that began later and is not back yet', undefined],
  ] as const)('not failures with %s among them', (_, ended) => {
    const { breaker, clock, failure } = rig(plan({ volumeThreshold: 1000 }));
    const slow = breaker.begin(clock.now());
    for (let time = 0; time < 20; time += 1) {
      clock.advance(100);
      const later = time % 4 === 1 ? breaker.begin(clock.now()) : undefined;
      failure();
      clock.advance(100);
      if (later !== undefined && ended !== undefined) breaker.record(later, ended, clock.now(), 100);
      // An earlier one ends in between, so that they are none in a row as they end.
      breaker.record(slow, 'success', clock.now(), clock.now());
    }
    expect(breaker.state).toBe('closed');
  });

  it('the percentage of a window that begins with what went well before the first failure', () => {
    const { breaker, clock, failure } = rig(plan({ consecutiveFailures: 0 }));
    breaker.circuit.beginWith(23);
    expect(breaker.view(clock.now()).counts).toEqual({ successes: 23, failures: 0 });
    for (let time = 0; time < 22; time += 1) failure();
    expect(breaker.state).toBe('closed');
    failure();
    expect(breaker.view(clock.now()).openedBecause).toBe('23 of 46 attempts failed');
    const aged = rig(plan({ consecutiveFailures: 0 }));
    aged.breaker.circuit.beginWith(23);
    aged.clock.advance(5_000);
    aged.success();
    const { successes } = aged.breaker.view(aged.clock.now()).counts;
    expect(successes).toBeGreaterThanOrEqual(11);
    expect(successes).toBeLessThanOrEqual(14);
  });

  it('two deadlines in a row without an answer; any answer between them counts, a failed one too', () => {
    const { breaker, silent, failure, success } = rig(plan({ volumeThreshold: 1000, consecutiveFailures: 0 }));
    silent();
    success();
    silent();
    failure();
    silent();
    expect(breaker.state).toBe('closed');
    silent();
    expect(breaker.state).toBe('open');
    expect(breaker.view(0).openedBecause).toBe('2 deadlines in a row without an answer');
  });

  it('the percentage, at the threshold and not only above it, from the volume on', () => {
    const { breaker, failure, success } = rig(plan({ volumeThreshold: 6, consecutiveFailures: 0, silentFailures: 0 }));
    for (let time = 0; time < 3; time += 1) success();
    failure();
    failure();
    expect(breaker.state).toBe('closed');
    failure();
    expect(breaker.state).toBe('open');
    expect(breaker.view(0).openedBecause).toBe('3 of 6 attempts failed');
  });

  it('not what has left the window', () => {
    const rules = plan({ volumeThreshold: 4, consecutiveFailures: 0 });
    const { breaker, clock, failure } = rig(rules);
    for (let time = 0; time < 3; time += 1) failure();
    clock.advance(10_000);
    for (let time = 0; time < 3; time += 1) failure();
    expect(breaker.state).toBe('closed');
    expect(breaker.view(clock.now()).counts).toEqual({ successes: 0, failures: 3 });
    clock.advance(9_000);
    failure();
    expect(breaker.state).toBe('open');
  });

  it('nothing, with every limit off or the breaker off', () => {
    const off = rig(plan({ enabled: false }));
    const unlimited = rig(plan({ consecutiveFailures: 0, silentFailures: 0, volumeThreshold: 1000 }));
    for (let time = 0; time < 100; time += 1) {
      off.silent();
      unlimited.silent();
    }
    expect([off.breaker.state, unlimited.breaker.state]).toEqual(['closed', 'closed']);
    expect(off.breaker.view(0).counts.failures).toBe(0);
  });
});

describe('how long it stays open', () => {
  it('doubles with each failed probe up to the most, and starts over once closed', () => {
    const { breaker, clock, failure, success } = opened(plan({ resetTimeoutMs: 1000, maxResetTimeoutMs: 5000 }));
    for (const delayMs of [1000, 2000, 4000, 5000, 5000]) {
      expect(breaker.view(clock.now()).probesInMs).toBe(delayMs);
      clock.advance(delayMs - 1);
      expect(breaker.state).toBe('open');
      clock.advance(1);
      expect(breaker.state).toBe('halfOpen');
      failure();
    }
    clock.advance(5000);
    success();
    for (let time = 0; time < 5; time += 1) failure();
    expect(breaker.view(clock.now()).probesInMs).toBe(1000);
  });

  it('does not move since when it is bad, which is until it closes', () => {
    const { breaker, clock, failure, success } = rig();
    expect(breaker.badSinceMs).toBeUndefined();
    clock.advance(7);
    for (let time = 0; time < 5; time += 1) failure();
    clock.advance(5_000);
    failure();
    expect([breaker.state, breaker.badSinceMs]).toEqual(['open', 7]);
    clock.advance(10_000);
    expect(breaker.badSinceMs).toBe(7);
    success();
    expect(breaker.badSinceMs).toBeUndefined();
  });

  it('is shortened by chance, never lengthened', () => {
    const delays = [0, 0.5, 0.999].map((draw) => opened(plan(), { random: () => draw }).breaker.view(0).probesInMs);
    expect(delays).toEqual([5000, 4500, expect.closeTo(4001)]);
  });

  it('follows a plan that is in more of a hurry, not one that is in less', () => {
    const { breaker, clock } = opened(plan({ resetTimeoutMs: 10_000 }));
    clock.advance(1000);
    breaker.configure(plan({ resetTimeoutMs: 30_000 }));
    expect(breaker.view(clock.now()).probesInMs).toBe(9000);
    breaker.configure(plan({ resetTimeoutMs: 3000 }));
    expect(breaker.view(clock.now()).probesInMs).toBe(2000);
    clock.advance(2000);
    expect(breaker.state).toBe('halfOpen');
    expect(clock.pending).toBe(0);
  });
});

describe('the probe', () => {
  it('is one, however many begin, and what begins beside it moves nothing', () => {
    const { breaker, begin, failure, success } = halfOpened();
    const probe = begin();
    const others = [begin(), begin()];
    expect(isProbePermit(probe)).toBe(true);
    expect(others).toEqual([BYPASS, BYPASS]);
    for (const other of others) failure(other);
    expect(breaker.state).toBe('halfOpen');
    for (const other of others) success(other);
    expect(breaker.state).toBe('halfOpen');
    success(probe);
    expect(breaker.state).toBe('closed');
  });

  it('is promised in the pick, and the promise lapses if no attempt starts', () => {
    const { breaker, clock, begin } = halfOpened();
    breaker.offer(clock.now());
    expect(breaker.admits(clock.now())).toBe(false);
    clock.advance(199);
    expect(breaker.admits(clock.now())).toBe(false);
    clock.advance(1);
    expect(breaker.admits(clock.now())).toBe(true);
    breaker.offer(clock.now());
    const probe = begin();
    expect(isProbePermit(probe)).toBe(true);
    breaker.release(probe);
    expect(breaker.admits(clock.now())).toBe(true);
  });

  it('that never settles gives way when its lease is over; then its verdict is not heard', () => {
    const { breaker, clock, begin, success, failure } = halfOpened();
    const lost = begin();
    clock.advance(LEASE_MS - 1);
    expect(breaker.admits(clock.now())).toBe(false);
    clock.advance(1);
    expect(breaker.admits(clock.now())).toBe(true);
    const next = begin();
    success(lost);
    expect(breaker.state).toBe('halfOpen');
    expect(breaker.admits(clock.now())).toBe(false);
    breaker.release(lost);
    expect(breaker.admits(clock.now())).toBe(false);
    failure(next);
    expect(breaker.state).toBe('open');
    clock.advance(10_000);
    success(next);
    expect(breaker.state).toBe('halfOpen');
  });

  it('is heard after its lease as long as nobody took its place', () => {
    const { breaker, clock, begin, success } = halfOpened();
    const slow = begin();
    clock.advance(LEASE_MS * 3);
    success(slow);
    expect(breaker.state).toBe('closed');
  });

  it('trickles for a subset: one a second, three successes close, one failure opens', () => {
    const { breaker, clock, begin, success, failure } = halfOpened(plan(), { gate: new ProbeTrickle(1000, 3) });
    const first = begin();
    expect(begin()).toBe(BYPASS);
    expect(breaker.admits(clock.now())).toBe(false);
    clock.advance(1000);
    expect(breaker.admits(clock.now())).toBe(true);
    const second = begin();
    success(second);
    success(first);
    expect(breaker.state).toBe('halfOpen');
    expect(breaker.view(clock.now()).counts.successes).toBe(2);
    clock.advance(1000);
    const third = begin();
    clock.advance(1000);
    const late = begin();
    success(third);
    expect(breaker.state).toBe('closed');
    failure(late);
    expect(breaker.view(clock.now()).counts).toEqual({ successes: 0, failures: 0 });
    for (let time = 0; time < 5; time += 1) failure();
    clock.advance(5000);
    failure(late);
    expect(breaker.state).toBe('halfOpen');
    failure(begin());
    expect(breaker.state).toBe('open');
  });
});

describe('outcomes of the past', () => {
  it('count where they began in the same closed period, also without a permit in the first', () => {
    const { breaker, begin, failure } = rig(plan({ volumeThreshold: 1000 }));
    const permits = [NO_PERMIT, begin(), begin(), NO_PERMIT, begin()];
    for (const permit of permits) failure(permit);
    expect(breaker.state).toBe('open');
  });

  it('are dropped once it has closed again', () => {
    const { breaker, clock, begin, success, failure } = rig();
    const old = Array.from({ length: 20 }, begin);
    for (const permit of old.splice(0, 5)) failure(permit);
    clock.advance(5000);
    success(begin());
    expect(breaker.state).toBe('closed');
    for (const permit of old) failure(permit);
    expect(breaker.state).toBe('closed');
    expect(breaker.view(clock.now()).consecutiveFailures).toBe(0);
  });
});

describe('those who look on', () => {
  it('hear open, halfOpen and close once each, in order, with the state already in force', () => {
    const it = rig();
    const heard: string[] = [];
    for (const event of ['open', 'halfOpen', 'close']) {
      it.breaker.circuit.on(event, () => heard.push(`${event} ${it.breaker.state}`));
    }
    for (let time = 0; time < 5; time += 1) it.failure();
    it.clock.advance(5000);
    it.failure();
    it.clock.advance(10_000);
    it.success();
    expect(it.events).toEqual(['open', 'halfOpen', 'open', 'halfOpen', 'close']);
    expect(heard).toEqual(['open open', 'halfOpen halfOpen', 'open open', 'halfOpen halfOpen', 'close closed']);
  });

  it('get what opossum would have told them: latencies, errors, how long it was open', () => {
    const { breaker, clock, begin } = rig(plan({ consecutiveFailures: 1 }));
    const heard: unknown[] = [];
    breaker.circuit.on('success', (_result, latencyMs) => heard.push(latencyMs));
    breaker.circuit.on('failure', (error) => heard.push((error as Error).message));
    breaker.circuit.on('halfOpen', (openForMs) => heard.push(openForMs));
    breaker.record(begin(), 'success', clock.now(), 12);
    breaker.record(begin(), 'failure', clock.now(), 3, 'no such host');
    clock.advance(5000);
    expect(heard).toEqual([12, 'no such host', 5000]);
    expect(breaker.view(clock.now()).lastFailure).toEqual({ reason: 'no such host', agoMs: 5000 });
  });

  it('change nothing in what opossum counts', () => {
    const counted = (events: readonly string[]): unknown => {
      const { breaker, success, failure } = rig();
      for (const event of events) breaker.circuit.on(event, () => undefined);
      success();
      failure();
      success();
      const { fires, successes, failures } = breaker.circuit.status.stats;
      return { fires, successes, failures };
    };
    expect(counted([])).toEqual({ fires: 3, successes: 2, failures: 1 });
    for (const event of ['fire', 'success', 'failure']) expect(counted([event])).toEqual(counted([]));
  });

  it('may throw, and nothing breaks', () => {
    const { breaker, clock, failure, success, listenerErrors } = rig();
    for (const event of ['fire', 'success', 'failure', 'open', 'halfOpen', 'close']) {
      breaker.circuit.on(event, () => {
        throw new Error(event);
      });
    }
    for (let time = 0; time < 5; time += 1) failure();
    clock.advance(5000);
    success();
    expect(breaker.state).toBe('closed');
    expect(new Set(listenerErrors.map((error) => (error as Error).message))).toEqual(
      new Set(['fire', 'failure', 'open', 'halfOpen', 'success', 'close']),
    );
  });

  it('may take every listener away, and nothing breaks', () => {
    const { breaker, clock, failure, success, events } = rig();
    breaker.circuit.removeAllListeners();
    for (let time = 0; time < 5; time += 1) failure();
    clock.advance(5000);
    failure();
    expect(breaker.state).toBe('open');
    clock.advance(10_000);
    success();
    expect(events).toEqual(['open', 'halfOpen', 'open', 'halfOpen', 'close']);
  });
});

it('new numbers count from the next failure on; what was counted stays', () => {
  const { breaker, clock, failure } = rig(plan({ consecutiveFailures: 0, volumeThreshold: 100 }));
  for (let time = 0; time < 8; time += 1) failure();
  breaker.configure(plan({ consecutiveFailures: 0, volumeThreshold: 9, rollingCountTimeoutMs: 20_000 }));
  expect(breaker.view(clock.now()).counts.failures).toBe(8);
  clock.advance(15_000);
  failure();
  expect(breaker.state).toBe('open');
});

describe('what was recorded and turns out otherwise', () => {
  it('a success that was none is a failure in its place, in the window and in the streak', () => {
    const it = rig(plan({ errorThresholdPercentage: 100, volumeThreshold: 100 }));
    for (let time = 0; time < 4; time += 1) {
      it.success();
      it.breaker.recordUnusable(it.clock.now(), 0, 'no message of ours');
    }
    expect(it.breaker.view(0).counts).toEqual({ successes: 0, failures: 4 });
    expect(it.events).toEqual([]);
    it.success();
    it.breaker.recordUnusable(it.clock.now(), 0, 'no message of ours');
    expect(it.events).toEqual(['open']);
    expect(it.breaker.view(0).openedBecause).toBe('5 failures in a row');
  });

  it('leaves a success beside it alone', () => {
    const it = rig();
    it.failure();
    it.success();
    it.success();
    it.breaker.recordUnusable(it.clock.now(), 0, 'no message of ours');
    expect(it.breaker.view(0)).toMatchObject({ counts: { successes: 1, failures: 2 }, consecutiveFailures: 1 });
  });

  it("a failure that was another one's doing counts no more", () => {
    const it = rig();
    for (let time = 0; time < 4; time += 1) it.failure();
    it.breaker.forgiveFailure(it.clock.now());
    it.failure();
    expect(it.events).toEqual([]);
    expect(it.breaker.view(0)).toMatchObject({ counts: { failures: 4 }, consecutiveFailures: 4 });
  });

  it('changes nothing of one that is not closed', () => {
    for (const begin of [opened, halfOpened]) {
      const it = begin();
      const before = it.breaker.view(it.clock.now());
      it.breaker.recordUnusable(it.clock.now(), 0, 'late');
      it.breaker.forgiveFailure(it.clock.now());
      expect(it.breaker.view(it.clock.now())).toEqual(before);
    }
  });
});

describe('an endpoint that wants fewer calls', () => {
  it('counts neither well nor ill, and is not silent', () => {
    const { breaker, begin, silent, clock } = rig();
    silent();
    for (let time = 0; time < 20; time += 1) breaker.record(begin(), 'less', clock.now());
    expect(breaker.view(clock.now())).toMatchObject({ state: 'closed', silentFailures: 0, isDoubtful: false });
    expect(breaker.view(clock.now()).counts).toEqual({ successes: 0, failures: 1 });
    silent();
    expect(breaker.state).toBe('closed');
  });

  it('is alive, so that its probe went well', () => {
    const { breaker, begin, failure, clock } = rig();
    for (let time = 0; time < 5; time += 1) failure();
    expect(breaker.state).toBe('open');
    clock.advance(5_000);
    expect(breaker.state).toBe('halfOpen');
    breaker.record(begin(), 'less', clock.now());
    expect(breaker.state).toBe('closed');
  });
});
