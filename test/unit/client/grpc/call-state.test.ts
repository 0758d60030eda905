import { describe, expect, it } from 'vitest';
import { STATUS_NAMES, statusCodeOf } from '../../../../src/base/status-names';
import { RetryBudget } from '../../../../src/client/breaker/retry-budget';
import { CallState } from '../../../../src/client/grpc/call-state';
import type { RetryRules } from '../../../../src/client/grpc/retry-rules';
import { FakeClock } from '../../../../src/client/testing/fake-clock';
import { emptyPlan } from '../../../../src/policy/compile';
import { DEFAULT_RETRY } from '../../../../src/policy/defaults';
import type { Decision, RetryPlan } from '../../../../src/policy/plan';
import { endpointAt } from '../balancer/connections';

const OK = 0;
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const INTERNAL = 13;
const UNAVAILABLE = 14;

interface Setup {
  ask(facts: Partial<CallState>, retry?: RetryPlan | 'off' | undefined): string[];
  drawn(): number;
  /** The last call that was asked for. */
  last(): CallState | undefined;
}

/** Calls whose budget allows `allowed` retries; other endpoints turn away `shed` of their calls. */
function setUp(allowed: number, shed = 0): Setup {
  const clock = new FakeClock();
  const budget = new RetryBudget({ percent: 0, minPerSecond: allowed / 10 });
  budget.callStarted(clock.now());
  const rules: RetryRules = {
    isRetryDisabled: false,
    retryBufferBytes: 2 ** 20,
    clock,
    budget,
    shedBeside: () => shed,
  };
  let last: CallState | undefined;
  return {
    ask: (facts, ...[retry = DEFAULT_RETRY]) => {
      const call = new CallState('/shop.v1.Payments/Charge', undefined, undefined);
      call.route(rules, undefined);
      last = call;
      call.decision = { ...emptyPlan('payments').fallthrough, retry } as Decision;
      return Object.assign(call, { attempts: 1, lastCode: UNAVAILABLE, lastEnding: 'answered', ...facts })
        .retryableStatusCodes;
    },
    drawn: () => budget.retries,
    last: () => last,
  };
}

describe('the codes that may be retried just now', () => {
  it("are the policy's after a failure that it names, and draw on the budget", () => {
    const { ask, drawn } = setUp(2);
    expect(ask({})).toEqual(['UNAVAILABLE']);
    expect(ask({})).toEqual(['UNAVAILABLE']);
    expect(drawn()).toBe(2);
  });

  it('are none once the budget is spent, so that the real status is told', () => {
    const { ask, drawn } = setUp(1);
    ask({});
    expect(ask({})).toEqual([]);
    expect(drawn()).toBe(1);
  });

  it.each([OK, DEADLINE_EXCEEDED, NOT_FOUND, INTERNAL])('are none after code %i, at no cost', (lastCode) => {
    const { ask, drawn } = setUp(5);
    expect(ask({ lastCode })).toEqual([]);
    expect(drawn()).toBe(0);
  });

  it('are none after the last attempt, for a refused call, and without a retry policy', () => {
    const { ask, drawn } = setUp(5);
    expect(ask({ attempts: 2 })).toEqual([]);
    expect(ask({ attempts: 2, wasProbe: true, lastEnding: 'broken' })).toEqual([]);
    expect(ask({ isRefused: true })).toEqual([]);
    expect(ask({}, 'off')).toEqual([]);
    expect(ask({ wasProbe: true, lastEnding: 'broken' }, 'off')).toEqual([]);
    expect(drawn()).toBe(0);
  });

  it('are all that an attempt can end with that no application has seen, at no cost, also where nothing may run again', () => {
    const { ask, drawn } = setUp(0);
    for (const retry of [DEFAULT_RETRY, 'off'] as const) {
      expect(ask({ attempts: 0, lastEnding: 'unseen' }, retry)).toContain('UNAVAILABLE');
      expect(ask({ attempts: 2, lastEnding: 'unseen' }, retry)).toContain('UNAVAILABLE');
    }
    expect(drawn()).toBe(0);
  });

  it('are, where credentials were not to be had, those of an attempt, at no cost, whatever the last attempt ended with', () => {
    for (const lastEnding of ['none', 'unseen', 'broken', 'given-up'] as const) {
      const { ask, drawn, last } = setUp(0);
      const facts = { isPicked: true, lastEnding, wasProbe: true, lastCode: UNAVAILABLE };
      expect(ask({ ...facts, attempts: 0 })).toEqual(['UNAVAILABLE']);
      expect(last()?.attempts).toBe(1);
      expect(ask({ ...facts, attempts: 1 })).toEqual([]);
      expect(ask({ ...facts, attempts: 0 }, 'off')).toEqual([]);
      expect(drawn()).toBe(0);
    }
  });

  it('are all that a broken probe can end with, whatever the budget and the policy say', () => {
    const { ask } = setUp(0);
    const codes = ask({ wasProbe: true, lastEnding: 'broken', lastCode: INTERNAL });
    expect(codes).toEqual(expect.arrayContaining(['INTERNAL', 'UNKNOWN', 'UNAVAILABLE', 'NOT_FOUND']));
    for (const never of ['OK', 'CANCELLED', 'DEADLINE_EXCEEDED']) expect(codes).not.toContain(never);
  });

  it.each(STATUS_NAMES.filter((name) => name !== 'UNAVAILABLE'))(
    'are none when a probe is answered %s, which the policy does not name',
    (name) => {
      const { ask, drawn } = setUp(5);
      expect(ask({ wasProbe: true, lastCode: statusCodeOf(name) ?? -1 })).toEqual([]);
      expect(drawn()).toBe(0);
    },
  );

  it('of a probe count in the budget, so that others wait for them', () => {
    const { ask, drawn } = setUp(1);
    expect(ask({ wasProbe: true, lastEnding: 'broken' })).not.toEqual([]);
    expect(drawn()).toBe(1);
    expect(ask({})).toEqual([]);
  });

  describe('after a call was turned away', () => {
    const turnedAway = { wasLess: true, tried: [endpointAt(0)] };

    it('are as ever while others turn few away', () => {
      const { ask, drawn } = setUp(1, 0.24);
      expect(ask(turnedAway)).toEqual(['UNAVAILABLE']);
      expect(drawn()).toBe(1);
      expect(ask(turnedAway)).toEqual([]);
    });

    it('are none where others turn many away, at no cost', () => {
      const { ask, drawn, last } = setUp(1, 0.25);
      expect(ask(turnedAway)).toEqual([]);
      expect(last()?.isTriedOut).toBe(true);
      expect(drawn()).toBe(0);
      expect(ask({})).toEqual(['UNAVAILABLE']);
    });
  });

  it('are none for a server that asks for no further try, at no cost, probe or not', () => {
    const { ask, drawn, last } = setUp(1);
    expect(ask({ pushbackMs: -1 })).toEqual([]);
    expect(last()?.isTriedOut).toBe(true);
    expect(ask({ pushbackMs: -1, lastEnding: 'unseen', attempts: 0 })).toContain('UNAVAILABLE');
    expect(drawn()).toBe(0);
    expect(ask({ pushbackMs: 0 })).toEqual(['UNAVAILABLE']);
  });

  it('leave a call to those above as long as nothing was done about it here', () => {
    const { ask, last } = setUp(1);
    ask({ lastCode: INTERNAL });
    expect(last()?.isTriedOut).toBe(false);
    ask({}, 'off');
    expect(last()?.isTriedOut).toBe(false);
    ask({});
    expect(last()?.isTriedOut).toBe(false);
    ask({});
    expect(last()?.isTriedOut).toBe(true);
    ask({ attempts: 2 });
    expect(last()?.isTriedOut).toBe(true);
  });

  it('cost nothing when the attempt reached nobody', () => {
    const { ask, drawn } = setUp(0);
    expect(ask({ lastCode: -1, lastEnding: 'none', attempts: 0 })).toEqual(['UNAVAILABLE']);
    expect(drawn()).toBe(0);
  });
});
