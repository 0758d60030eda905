import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/balancer/endpoints/endpoint';
import { createRetryBudget } from '../../src/breaker/retry-budget';
import { DEFAULT_RETRY } from '../../src/policy/defaults';
import type { RetryPlan } from '../../src/policy/plan';
import type { LaneCall } from '../../src/resolver/lane-call';
import { RetryGate } from '../../src/resolver/retry-gate';
import { FakeClock } from '../../src/testing/fake-clock';

const OK = 0;
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const ENDPOINT = {} as Endpoint;

interface Setup {
  readonly gate: RetryGate;
  ask(facts: Partial<LaneCall>, retry?: RetryPlan): string[];
  drawn(): number;
}

/** A gate whose budget allows `allowed` retries. */
function setUp(allowed: number): Setup {
  const clock = new FakeClock();
  const budget = createRetryBudget({ percent: 0, minPerSecond: allowed });
  budget.callStarted(clock.now());
  const gate = new RetryGate(budget, clock);
  const call = { tried: [ENDPOINT], lastCode: UNAVAILABLE, wasProbe: false, isRefused: false };
  return {
    gate,
    ask: (facts, retry = DEFAULT_RETRY) => gate.retryableCodes({ ...call, ...facts } as LaneCall, retry),
    drawn: () => budget.retries,
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
    const { gate, ask, drawn } = setUp(5);
    expect(ask({ tried: [ENDPOINT, ENDPOINT] })).toEqual([]);
    expect(ask({ tried: [ENDPOINT, ENDPOINT], wasProbe: true })).toEqual([]);
    expect(ask({ isRefused: true })).toEqual([]);
    expect(gate.retryableCodes({ tried: [ENDPOINT], lastCode: UNAVAILABLE } as LaneCall, undefined)).toEqual([]);
    expect(drawn()).toBe(0);
  });

  it('are all that a failed probe can end with, whatever the budget and the policy say', () => {
    const { ask } = setUp(0);
    const codes = ask({ wasProbe: true, lastCode: INTERNAL });
    expect(codes).toEqual(expect.arrayContaining(['INTERNAL', 'UNKNOWN', 'UNAVAILABLE', 'NOT_FOUND']));
    for (const never of ['OK', 'CANCELLED', 'DEADLINE_EXCEEDED']) expect(codes).not.toContain(never);
  });

  it('of a probe count in the budget, so that others wait for them', () => {
    const { ask, drawn } = setUp(1);
    expect(ask({ wasProbe: true })).not.toEqual([]);
    expect(drawn()).toBe(1);
    expect(ask({})).toEqual([]);
  });

  it('cost nothing when the attempt reached nobody', () => {
    const { ask, drawn } = setUp(0);
    expect(ask({ lastCode: -1, tried: undefined })).toEqual(['UNAVAILABLE']);
    expect(drawn()).toBe(0);
  });
});
