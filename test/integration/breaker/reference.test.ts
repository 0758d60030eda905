import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Permit } from '../../../src/client/breaker/probe-gate';
import { isProbePermit, ProbeTrickle } from '../../../src/client/breaker/probe-gate';
import { isLong } from '../../support/slice';
import { LEASE_MS, plan, rig } from '../../unit/client/breaker/fixture';
import { ReferenceBreaker, type Verdict } from './reference-breaker';

const verdict = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom<Verdict>('success', 'failure') },
  { weight: 2, arbitrary: fc.constantFrom<Verdict>('silent', 'neutral') },
);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('begin' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(), verdict }) },
  // One attempt, begun and ended at once: what most calls are.
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('call' as const), verdict }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), which: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.oneof(fc.nat(300), fc.nat(6_000), fc.nat(60_000)),
    }),
  },
);
const rules = fc.record({
  errorThresholdPercentage: fc.integer({ min: 1, max: 100 }),
  volumeThreshold: fc.integer({ min: 1, max: 12 }),
  consecutiveFailures: fc.nat(6),
  silentFailures: fc.nat(3),
  rollingCountTimeoutMs: fc.constantFrom(1_000, 10_000),
  resetTimeoutMs: fc.constantFrom(500, 5_000),
  maxResetTimeoutMs: fc.constantFrom(5_000, 20_000),
});

it('agrees with the reference under any sequence of attempts, endings, cancellations and waits', () => {
  const reached = { open: 0, halfOpen: 0, closedAgain: 0 };
  fc.assert(
    fc.property(rules, fc.array(step, { maxLength: 150, size: 'max' }), (changes, steps) => {
      const it = rig(plan(changes));
      const { breaker, clock } = it;
      const reference = new ReferenceBreaker(plan(changes));
      const running: { readonly permit: Permit; readonly attempt: ReturnType<ReferenceBreaker['begin']> }[] = [];
      let probesAtOnce: { readonly permit: Permit; readonly leaseUntilMs: number }[] = [];
      const begin = (): (typeof running)[number] => {
        const now = clock.now();
        const wasAdmitted = breaker.admits(now);
        const attempt = reference.begin(now);
        const permit = breaker.begin(now);
        expect(isProbePermit(permit)).toBe(attempt.kind === 'probe');
        if (isProbePermit(permit)) {
          expect(wasAdmitted).toBe(true);
          expect(probesAtOnce.filter((probe) => probe.leaseUntilMs > now)).toEqual([]);
          probesAtOnce.push({ permit, leaseUntilMs: now + LEASE_MS });
        }
        return { permit, attempt };
      };
      const end = (ended: (typeof running)[number] | undefined, given: Verdict, isCancelled = false): void => {
        if (ended === undefined) return;
        probesAtOnce = probesAtOnce.filter((probe) => probe.permit !== ended.permit);
        reference.end(ended.attempt, given, clock.now());
        if (isCancelled) breaker.release(ended.permit);
        else breaker.record(ended.permit, given, clock.now(), clock.now() - ended.attempt.beganAtMs);
      };
      const take = (which: number) => running.splice(which % Math.max(1, running.length), 1)[0];
      for (const event of steps) {
        // No two of them at the same time.
        clock.advance(event.kind === 'wait' ? event.ms : 1);
        reference.at(clock.now());
        if (event.kind === 'begin') running.push(begin());
        else if (event.kind === 'call') end(begin(), event.verdict);
        else if (event.kind === 'end') end(take(event.which), event.verdict);
        else if (event.kind === 'cancel') end(take(event.which), 'neutral', true);
        else if (event.kind === 'lose') take(event.which);
        expect(breaker.state).toBe(reference.state);
        expect(breaker.admits(clock.now())).toBe(reference.admits(clock.now()));
        expect([breaker.circuit.closed, breaker.circuit.opened, breaker.circuit.halfOpen]).toEqual(
          ['closed', 'open', 'halfOpen'].map((state) => state === breaker.state),
        );
      }
      for (const event of it.events) reached[event === 'close' ? 'closedAgain' : event] += 1;
      // Never stuck: after the longest it may be open and a lease, a call that goes well closes it.
      clock.advance(20_000 + LEASE_MS);
      if (breaker.state !== 'closed') it.success();
      expect(breaker.state).toBe('closed');
      expect(clock.pending).toBe(0);
    }),
    { numRuns: isLong ? 1_000 : 300 },
  );
  // The sequences get about.
  expect(Math.min(reached.open, reached.halfOpen, reached.closedAgain)).toBeGreaterThan(200);
});

it('a trickle admits at most one probe a second, needs its successes, and is never stuck', () => {
  const event = fc.record({ waitMs: fc.oneof(fc.nat(400), fc.nat(3_000)), verdict, isLost: fc.boolean() });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80, size: 'max' }), (events) => {
      const { breaker, clock, begin, success, failure } = rig(plan(), { gate: new ProbeTrickle(1_000, 3) });
      for (let time = 0; time < 5; time += 1) failure();
      let lastProbeMs = Number.NEGATIVE_INFINITY;
      let streak = 0;
      for (const { waitMs, verdict: given, isLost } of events) {
        clock.advance(waitMs);
        if (breaker.state !== 'halfOpen') {
          streak = 0;
          lastProbeMs = Number.NEGATIVE_INFINITY;
        }
        const was = breaker.state;
        const permit = begin();
        if (isProbePermit(permit)) {
          expect(clock.now() - lastProbeMs).toBeGreaterThanOrEqual(1_000);
          lastProbeMs = clock.now();
        }
        if (isLost) continue;
        breaker.record(permit, given, clock.now());
        if (was !== 'halfOpen' || !isProbePermit(permit)) continue;
        if (given === 'success') streak += 1;
        const expected = given === 'failure' || given === 'silent' ? 'open' : streak === 3 ? 'closed' : 'halfOpen';
        expect(breaker.state).toBe(expected);
      }
      clock.advance(60_000);
      for (let time = 0; time < 3 && breaker.state !== 'closed'; time += 1) {
        success();
        clock.advance(1_000);
      }
      expect(breaker.state).toBe('closed');
    }),
    { numRuns: isLong ? 500 : 200 },
  );
});
