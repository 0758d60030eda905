import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetryBudget } from '../../../../src/client/breaker/retry-budget';
import { DEFAULT_BREAKER } from '../../../../src/policy/defaults';

function calls(budget: RetryBudget, count: number, nowMs: number): void {
  for (let call = 0; call < count; call += 1) {
    budget.callStarted(nowMs);
    budget.callEnded(nowMs);
  }
}

function retries(budget: RetryBudget, nowMs: number): number {
  let granted = 0;
  while (granted < 10_000 && budget.tryRetry(nowMs)) granted += 1;
  return granted;
}

describe('the retry budget', () => {
  it('is a share of the calls', () => {
    const budget = new RetryBudget({ percent: 20, minPerSecond: 0.5 });
    calls(budget, 1000, 0);
    expect(retries(budget, 0)).toBe(200);
    calls(budget, 5, 0);
    expect(retries(budget, 0)).toBe(1);
  });

  it('has a floor for any ten seconds, which is not on top of the share', () => {
    const budget = new RetryBudget({ percent: 20, minPerSecond: 0.5 });
    calls(budget, 1, 0);
    expect(retries(budget, 0)).toBe(5);
    calls(budget, 1, 9_000);
    expect(retries(budget, 9_000)).toBe(0);
    expect(retries(budget, 11_000)).toBe(5);
    calls(budget, 50, 11_000);
    expect(retries(budget, 11_000)).toBe(5);
  });

  it.each([
    [0.1, 2],
    [1, 1.5],
    [5, 1.2],
    [50, 1.2],
    [150, 1.2],
  ])('%f calls/s that all fail: at most %f attempts a call, in any minute', (perSecond, most) => {
    const budget = new RetryBudget({ percent: 20, minPerSecond: 0.5 });
    const count = Math.ceil(60 * perSecond);
    let attempts = 0;
    for (let call = 0; call < count; call += 1) {
      const nowMs = (call * 1_000) / perSecond;
      calls(budget, 1, nowMs);
      attempts += budget.tryRetry(nowMs) ? 2 : 1;
    }
    expect(attempts / count).toBeLessThanOrEqual(most);
  });

  it.each([0, 0.3, 0.7, 0.95].flatMap((phase) => [1, 5, 50, 150].map((perSecond) => [perSecond, phase] as const)))(
    '%f calls/s from %f s after a second on: a fifth, or five, in any ten seconds',
    (perSecond, phase) => {
      const budget = new RetryBudget({ percent: 20, minPerSecond: 0.5 });
      const retriedAtMs: number[] = [];
      for (let call = 0; call < 60 * perSecond; call += 1) {
        const nowMs = phase * 1_000 + (call * 1_000) / perSecond;
        calls(budget, 1, nowMs);
        if (budget.tryRetry(nowMs)) retriedAtMs.push(nowMs);
      }
      const most = Math.max(
        5,
        ...retriedAtMs.map((fromMs) => retriedAtMs.filter((at) => at >= fromMs && at < fromMs + 10_000).length),
      );
      // The window has up to eleven seconds, whose fifth it is.
      expect(most).toBeLessThanOrEqual(Math.max(5, 0.2 * 11 * perSecond));
      const inTwenty = retriedAtMs.filter((at) => at < phase * 1_000 + 20_000).length;
      expect(1 + inTwenty / (20 * perSecond)).toBeLessThanOrEqual(perSecond === 1 ? 1.5 : 1.2);
    },
  );

  it('mends what one instance fails until its breaker opens, however few the calls', () => {
    const budget = new RetryBudget({ percent: 20, minPerSecond: 0.5 });
    calls(budget, 5, 0);
    expect(retries(budget, 0)).toBe(DEFAULT_BREAKER.consecutiveFailures);
  });

  it('counts calls that are still under way, however long ago they began', () => {
    const budget = new RetryBudget({ percent: 20, minPerSecond: 0 });
    for (let call = 0; call < 50; call += 1) budget.callStarted(0);
    expect(retries(budget, 60_000)).toBe(10);
    expect(budget.calls).toBe(50);
  });

  it('lets a call be retried that fails after more than ten quiet seconds', () => {
    const budget = new RetryBudget({ percent: 20, minPerSecond: 0.5 });
    budget.callStarted(0);
    budget.callEnded(11_500);
    expect(retries(budget, 11_500)).toBeGreaterThan(0);
  });

  it('keeps attempts per call within its share when every call fails', () => {
    const budget = new RetryBudget({ percent: 20, minPerSecond: 0.5 });
    let attempts = 0;
    for (let call = 0; call < 6000; call += 1) {
      const nowMs = call * 10;
      calls(budget, 1, nowMs);
      attempts += 1;
      if (budget.tryRetry(nowMs)) attempts += 1;
    }
    expect(attempts / 6000).toBeLessThanOrEqual(1.2);
    expect(attempts / 6000).toBeGreaterThan(1.19);
  });

  it('keeps within its share with retries that are made in any case, such as those of failed probes', () => {
    const budget = new RetryBudget({ percent: 20, minPerSecond: 0.5 });
    let attempts = 0;
    for (let call = 0; call < 6000; call += 1) {
      const nowMs = call * 10;
      calls(budget, 1, nowMs);
      attempts += 1;
      if (call > 500 && call % 100 === 0) {
        budget.takeRetry(nowMs);
        attempts += 1;
      } else if (budget.tryRetry(nowMs)) attempts += 1;
    }
    expect(attempts / 6000).toBeLessThan(1.199);
    expect(attempts / 6000).toBeGreaterThan(1.18);
  });

  it('has room for others again when those have left the window', () => {
    const budget = new RetryBudget({ percent: 20, minPerSecond: 0 });
    for (let time = 0; time < 5; time += 1) budget.takeRetry(0);
    calls(budget, 100, 9_000);
    expect(retries(budget, 9_000)).toBe(10);
    expect(retries(budget, 11_000)).toBe(10);
  });

  it('has twenty times the floor for what broke off, as a lost connection takes all calls under way', () => {
    const budget = new RetryBudget({ percent: 20, minPerSecond: 0.5 });
    calls(budget, 10, 0);
    let drawn = 0;
    while (budget.tryRetry(0, true)) drawn += 1;
    expect(drawn).toBe(100);
    expect(budget.tryRetry(0)).toBe(false);
    budget.configure({ percent: 0, minPerSecond: 0 });
    expect(budget.tryRetry(20_000, true)).toBe(false);
  });

  it('forgets after ten seconds', () => {
    const budget = new RetryBudget({ percent: 50, minPerSecond: 0 });
    calls(budget, 10, 0);
    expect(retries(budget, 0)).toBe(5);
    expect(retries(budget, 9_999)).toBe(0);
    calls(budget, 2, 11_000);
    expect(budget.retries).toBe(0);
    expect(retries(budget, 11_000)).toBe(1);
  });

  it('takes back what reached nobody, once', () => {
    const budget = new RetryBudget({ percent: 50, minPerSecond: 0 });
    calls(budget, 4, 0);
    expect(retries(budget, 0)).toBe(2);
    budget.giveBack(3000);
    expect(retries(budget, 3000)).toBe(1);
    for (let time = 0; time < 5; time += 1) budget.giveBack(3000);
    expect(budget.retries).toBe(0);
    expect(retries(budget, 3000)).toBe(2);
  });

  it('takes new rules and keeps what it counted', () => {
    const budget = new RetryBudget({ percent: 0, minPerSecond: 0 });
    calls(budget, 10, 0);
    expect(retries(budget, 0)).toBe(0);
    budget.configure({ percent: 100, minPerSecond: 0 });
    expect(retries(budget, 0)).toBe(10);
  });

  it('agrees with a plain list of what happened', () => {
    const step = fc.record({
      waitMs: fc.oneof(fc.nat(300), fc.nat(30_000)),
      kind: fc.constantFrom('begin', 'begin', 'end', 'retry', 'back'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), fc.nat(100), fc.nat(3), (steps, percent, minPerSecond) => {
        const budget = new RetryBudget({ percent, minPerSecond });
        const all: { readonly from: number; to: number }[] = [];
        let retried: number[] = [];
        let nowMs = 12_345;
        for (const { waitMs, kind } of steps) {
          nowMs += waitMs;
          const second = Math.floor(nowMs / 1000);
          retried = retried.filter((one) => one > second - 11);
          if (kind === 'begin') {
            budget.callStarted(nowMs);
            all.push({ from: second, to: Number.POSITIVE_INFINITY });
          } else if (kind === 'end') {
            const running = all.find(({ to }) => to === Number.POSITIVE_INFINITY);
            if (running === undefined) continue;
            budget.callEnded(nowMs);
            running.to = second;
          } else if (kind === 'retry') {
            const alive = all.filter(({ to }) => to > second - 11);
            const begun = all.filter(({ from }) => from > second - 11).length;
            const running = alive.filter(({ to }) => to === Number.POSITIVE_INFINITY).length;
            const counted = Math.max(begun, alive.length - running, running);
            const allowed = Math.max((counted * percent) / 100, 10 * minPerSecond);
            const isAllowed = retried.length + 1 <= allowed;
            expect(budget.tryRetry(nowMs)).toBe(isAllowed);
            if (isAllowed) retried.push(second);
          } else {
            budget.giveBack(nowMs);
            retried.pop();
          }
        }
        for (const { to } of all) if (to === Number.POSITIVE_INFINITY) budget.callEnded(nowMs);
        budget.giveBack(nowMs + 20_000);
        expect([budget.calls, budget.retries]).toEqual([0, 0]);
      }),
    );
  });
});
