import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AttemptLink } from '../../../../../src/client/balancer/attempts/attempt-link';
import { MethodTime } from '../../../../../src/client/balancer/attempts/methods';
import { EndpointLoad } from '../../../../../src/client/balancer/endpoints/load';
import { runs } from '../../../../support/slice';
import { steadyAttempt } from '../connections';

/** A load that answers in `latencyMs` and has just done so at `atMs`, for the second time: once says little. */
function answering(latencyMs: number, atMs: number): EndpointLoad {
  const load = new EndpointLoad();
  complete(load, atMs - 100 - 2 * latencyMs, atMs - 100 - latencyMs);
  complete(load, atMs - latencyMs, atMs);
  return load;
}

function complete(load: EndpointLoad, startMs: number, endMs: number): void {
  const attempt = steadyAttempt();
  load.attemptStarted(attempt, startMs);
  sweepBetween(load, startMs, endMs);
  load.attemptResponded(attempt);
  load.attemptEnded(attempt, endMs, 'success');
}

function sweepBetween(load: EndpointLoad, fromMs: number, toMs: number): void {
  for (let nowMs = fromMs + 100; nowMs <= toMs; nowMs += 100) load.sweep(nowMs);
}

describe('attempts in flight', () => {
  it('are counted once each, however often they end or answer', () => {
    const load = new EndpointLoad();
    const first = steadyAttempt();
    const second = steadyAttempt();
    load.attemptStarted(first, 0);
    load.attemptStarted(first, 1);
    load.attemptStarted(second, 1);
    expect(load.inFlight).toBe(2);
    load.attemptEnded(first, 5, 'success');
    load.attemptEnded(first, 6, 'failure');
    load.attemptResponded(first);
    expect(load.inFlight).toBe(1);
    expect(load.usualMs).toBe(5);
    load.attemptEnded(second, 7, 'neutral');
    expect(load.inFlight).toBe(0);
  });

  it('agree with a plain model under any sequence of events', () => {
    const event = fc.record({
      kind: fc.constantFrom('start', 'respond', 'success', 'failure', 'neutral', 'sweep'),
      attempt: fc.nat(7),
      waitMs: fc.nat(150),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (events) => {
        const load = new EndpointLoad();
        const attempts: AttemptLink[] = Array.from({ length: 8 }, () => steadyAttempt());
        const running = new Map<AttemptLink, number>();
        let receivedAt = -1;
        let step = 0;
        let nowMs = 0;
        const startedStep = new Map<AttemptLink, number>();
        let suspectAtSweep = false;
        for (const { kind, attempt: index, waitMs } of events) {
          step += 1;
          nowMs += waitMs;
          const attempt = attempts[index] ?? steadyAttempt();
          if (kind === 'start') {
            if (!running.has(attempt)) {
              running.set(attempt, nowMs);
              startedStep.set(attempt, step);
            }
            load.attemptStarted(attempt, nowMs);
          } else if (kind === 'respond') {
            if (running.has(attempt) && !attempt.responded) receivedAt = step;
            load.attemptResponded(attempt);
          } else if (kind === 'sweep') {
            expect(load.sweep(nowMs)).toBe(load.isSuspect !== suspectAtSweep);
            suspectAtSweep = load.isSuspect;
            const oldest = [...running].filter(([link]) => (startedStep.get(link) ?? 0) > receivedAt)[0];
            const overdueMs = Math.max(100, 10 * load.slowness);
            if (oldest === undefined || nowMs - oldest[1] <= overdueMs) expect(load.isSuspect).toBe(false);
          } else {
            if (running.delete(attempt) && kind === 'success' && !attempt.responded) receivedAt = step;
            load.attemptEnded(attempt, nowMs, kind as 'success' | 'failure' | 'neutral');
          }
          expect(load.inFlight).toBe(running.size);
          expect(load.blame).toBeLessThanOrEqual(Math.round(1000 * load.slowness));
        }
        for (const attempt of attempts) load.attemptEnded(attempt, nowMs, 'neutral');
        expect(load.inFlight).toBe(0);
      }),
      { numRuns: runs(300) },
    );
  });
});

describe('Peak-EWMA', () => {
  it('takes the lower of two slower samples at once and a faster one by the time since the last', () => {
    const load = answering(10, 1000);
    complete(load, 1100, 1180);
    complete(load, 1280, 1370);
    expect(load.slowness).toBe(80);
    complete(load, 11_360, 11_370);
    expect(load.slowness).toBeCloseTo(10 + 70 * Math.exp(-1), 6);
  });

  it('takes one late answer for chance', () => {
    const load = answering(10, 1000);
    complete(load, 1100, 2000);
    expect(load.slowness).toBe(10);
    complete(load, 2100, 2111);
    expect(load.slowness).toBe(11);
  });

  it('takes the first for chance, too, but waits for another as long', () => {
    const load = new EndpointLoad();
    complete(load, 0, 250);
    expect(load.slowness).toBe(1);
    expect(load.usualOf(new MethodTime(1))).toBe(250);
    complete(load, 350, 550);
    expect(load.slowness).toBe(200);
  });

  it.each(['success', 'failure'] as const)('takes what one pause makes late for one answer: %s', (outcome) => {
    const load = answering(1, 1000);
    const run = (startMs: readonly number[], endMs: number): void => {
      const attempts = startMs.map((nowMs) => {
        const attempt = steadyAttempt();
        load.attemptStarted(attempt, nowMs);
        return attempt;
      });
      sweepBetween(load, startMs.at(-1) ?? 0, endMs);
      for (const [index, attempt] of attempts.entries()) load.attemptEnded(attempt, endMs + index, outcome);
    };
    // Under way before and after the last answer; then, while the endpoint makes up for it.
    run([1010, 1050, 1150, 1190], 1900);
    run([1905, 1950, 1999], 2200);
    expect(load.slowness).toBe(1);
    // Another witness.
    run([2005], 2400);
    expect(load.slowness).toBe(outcome === 'success' ? 300 : 10);
  });

  it('fades with time in sweeps only, while what others are measured against stays', () => {
    const load = answering(200, 1000);
    expect(load.blame).toBe(200_000);
    load.sweep(11_000);
    expect(load.blame).toBe(Math.round(200_000 * Math.exp(-1)));
    expect(load.slowness).toBe(200);
  });

  it('learns nothing from a stream, neither from its first event nor from its end', () => {
    const load = new EndpointLoad();
    const stream = new AttemptLink(new MethodTime(), 'stream');
    load.attemptStarted(stream, 0);
    sweepBetween(load, 0, 100_000);
    expect(load.isSuspect).toBe(false);
    load.attemptResponded(stream);
    load.attemptEnded(stream, 200_000, 'success');
    expect([load.slowness, load.usualMs, load.measure, load.inFlight]).toEqual([0, 0, 0, 0]);
  });

  it('bounds what one answer can do that takes an hour', () => {
    const load = new EndpointLoad();
    complete(load, 0, 3_600_000);
    complete(load, 3_600_100, 7_200_100);
    expect(load.slowness).toBe(300);
    expect(load.usualMs).toBe(10_000);
  });

  it('is not lowered by failures, and raised by slow ones at most tenfold', () => {
    const load = answering(20, 1000);
    const quick = steadyAttempt();
    load.attemptStarted(quick, 1000);
    load.attemptEnded(quick, 1001, 'failure');
    expect(load.slowness).toBe(20);
    for (const startMs of [1101, 3201]) {
      const slow = steadyAttempt();
      load.attemptStarted(slow, startMs);
      sweepBetween(load, startMs, startMs + 2000);
      load.attemptEnded(slow, startMs + 2000, 'failure');
      expect(load.slowness).toBe(startMs === 1101 ? 20 : 200);
    }
  });

  it('counts a failure among the calls in flight for a while, also where no call of its method has been answered', () => {
    const load = new EndpointLoad();
    const attempt = new AttemptLink(new MethodTime());
    load.attemptStarted(attempt, 0);
    load.attemptEnded(attempt, 1, 'failure');
    expect(load.busy).toBe(1);
    load.sweep(1_000);
    expect(load.busy).toBe(0);
  });

  it('knows nothing after failures alone, so that a failing endpoint cannot look fast', () => {
    const load = new EndpointLoad();
    for (let nowMs = 0; nowMs < 1000; nowMs += 10) {
      const attempt = steadyAttempt();
      load.attemptStarted(attempt, nowMs);
      load.attemptEnded(attempt, nowMs + 1, 'failure');
    }
    expect(load.slowness).toBe(0);
  });

  it('is not made to look fast by what failed at once before its first good answer', () => {
    const load = new EndpointLoad();
    const time = new MethodTime(200);
    for (const [index, tookMs] of [1, 1, 200].entries()) {
      const attempt = new AttemptLink(time);
      const startMs = 2_000 * index;
      load.attemptStarted(attempt, startMs);
      sweepBetween(load, startMs, startMs + tookMs);
      load.attemptEnded(attempt, startMs + tookMs, index < 2 ? 'failure' : 'success');
    }
    expect(load.slowness).toBe(1);
  });

  it.each([
    ['never', 0, 2],
    ['in 1 of 100 answers', 0.01, 3],
    ['in 1 of 10', 0.1, 6],
    ['in 1 of 3, as often as can be', 1 / 3, 10],
  ])('asks for more late answers in a row where a method is late by itself: %s', (_, share, inARow) => {
    const time = new MethodTime(1);
    const every = share === 0 ? Number.POSITIVE_INFINITY : Math.round(1 / share);
    for (let answer = 1; answer <= 6_000; answer += 1) time.lateness.count(answer % every === 0);
    const load = new EndpointLoad();
    const lateInARow = [];
    for (let nowMs = 0; load.slowness <= 3; nowMs += 200) {
      const attempt = new AttemptLink(time);
      load.attemptStarted(attempt, nowMs);
      load.attemptEnded(attempt, nowMs + 50, 'success');
      lateInARow.push(nowMs);
    }
    expect(lateInARow.length).toBe(inARow);
  });

  it('takes no sample from neutral outcomes', () => {
    const load = answering(20, 1000);
    const cancelled = steadyAttempt();
    load.attemptStarted(cancelled, 1000);
    load.attemptEnded(cancelled, 1200, 'neutral');
    expect(load.slowness).toBe(20);
  });
});

describe('a suspect', () => {
  it('is an endpoint whose oldest attempt is overdue, and is cleared by any response', () => {
    const load = answering(20, 1000);
    const hanging = steadyAttempt();
    const later = steadyAttempt();
    load.attemptStarted(hanging, 1000);
    load.attemptStarted(later, 1050);
    expect(load.sweep(1100)).toBe(false);
    expect(load.sweep(1200)).toBe(false);
    expect(load.sweep(1201)).toBe(true);
    expect(load.isSuspect).toBe(true);
    load.attemptResponded(later);
    expect(load.isSuspect).toBe(false);
    // Told at the next sweep, since pools left it out until they hear of it.
    expect(load.sweep(1301)).toBe(true);
    expect(load.sweep(1401)).toBe(false);
  });

  it('is not cleared by a call that is turned away: that says nothing of those that it works on', () => {
    const load = answering(20, 1000);
    load.attemptStarted(steadyAttempt(), 1000);
    expect(load.sweep(1201)).toBe(true);
    const turnedAway = steadyAttempt();
    load.attemptStarted(turnedAway, 1201);
    load.attemptEnded(turnedAway, 1202, 'failure');
    expect(load.isSuspect).toBe(true);
    const refused = steadyAttempt();
    load.attemptStarted(refused, 1203);
    load.attemptEnded(refused, 1204, 'answered');
    expect(load.isSuspect).toBe(false);
  });

  it('is found behind a silent stream that is older than the last response', () => {
    const load = new EndpointLoad();
    load.attemptStarted(steadyAttempt(), 0);
    complete(load, 10, 15);
    load.attemptStarted(steadyAttempt(), 50);
    load.sweep(100);
    expect(load.isSuspect).toBe(false);
    load.sweep(200);
    expect(load.isSuspect).toBe(true);
  });

  it('recovers in the sweep after its overdue attempts have ended', () => {
    const load = new EndpointLoad();
    const hanging = steadyAttempt();
    load.attemptStarted(hanging, 0);
    load.sweep(100);
    load.sweep(200);
    expect(load.isSuspect).toBe(true);
    load.attemptEnded(hanging, 250, 'failure');
    expect(load.isSuspect).toBe(true);
    expect(load.sweep(300)).toBe(true);
    expect(load.isSuspect).toBe(false);
  });
});

describe('a stalled event loop', () => {
  it('makes nobody suspect and leaves no samples', () => {
    const load = answering(20, 1000);
    const first = steadyAttempt();
    const second = steadyAttempt();
    load.attemptStarted(first, 1050);
    load.attemptStarted(second, 1050);
    load.sweep(6000);
    expect(load.isSuspect).toBe(false);
    load.attemptResponded(first);
    load.sweep(6100);
    load.attemptResponded(second);
    expect(load.slowness).toBe(20);
    expect(load.isSuspect).toBe(false);
  });

  it('is noticed too when the answers are read before the tick runs', () => {
    const load = answering(20, 1000);
    const attempt = steadyAttempt();
    load.attemptStarted(attempt, 1050);
    load.attemptResponded(attempt);
    expect(load.slowness).toBe(20);
  });

  it('is not seen in the pause of an endpoint that had nothing to do', () => {
    const load = answering(20, 1000);
    complete(load, 600_000, 600_250);
    complete(load, 700_000, 700_250);
    expect(load.slowness).toBe(250);
  });
});
