import { describe, expect, it } from 'vitest';
import { answer } from '../../../../src/console/playground/engine/answer';
import { PolicyReader } from '../../../../src/console/playground/engine/read-policy';
import type { BreakerScenario } from '../../../../src/console/playground/engine/run-breaker';
import { EXAMPLES, startOf } from '../../../../src/console/playground/examples';

const reader = new PolicyReader();
const CALL = { method: '/shop.v1.Payments/Charge', labels: {}, caller: '', lanes: [] };

const SCENARIO: BreakerScenario = {
  level: 'endpoint',
  subset: 'canary',
  callsPerSecond: 20,
  failsFromMs: 5_000,
  failsUntilMs: 25_000,
  failingPercent: 100,
  isSilent: false,
  durationMs: 60_000,
  seed: 1,
};

function policy(more = ''): string {
  return `schema: 1
service: payments
subsets:
  stable: { tags: [stable] }
  canary: { tags: [canary], fallback: stable }
default: stable
routes:
  - name: everyone
    split:
      - { to: stable, weight: 90 } # most
      - to: canary
        weight: 10
${more}`;
}

function breakerOf(more: string, scenario: Partial<BreakerScenario> = {}) {
  const run = answer({ kind: 'breaker', text: policy(more), scenario: { ...SCENARIO, ...scenario } }, reader);
  if (run === undefined) throw new Error('no run');
  return run;
}

describe('the examples', () => {
  it.each(EXAMPLES.map((example) => [example.id, example] as const))(
    '%s: is valid, without a warning',
    (_, example) => {
      const { policy: text, rollout, traffic } = startOf(example);
      expect(answer({ kind: 'check', text }, reader)).toMatchObject({ problems: [], warnings: [] });
      const { callsPerSecond, seed } = traffic;
      const side = { failing: 0.005, medianMs: 20 };
      const scenario = { callsPerSecond, seed, stable: side, canary: side };
      expect(answer({ kind: 'rollout', text: rollout, scenario }, reader)).toMatchObject({
        end: { kind: 'completed' },
      });
    },
  );
});

describe('a check', () => {
  it('names every problem with its line, and has no outline', () => {
    const { problems, outline } = answer({ kind: 'check', text: policy('retrys: {}\ntimeoutMs: -1\n') }, reader);
    expect(outline).toBeUndefined();
    expect(problems.map(({ line }) => line)).toEqual([13, 14]);
  });

  it.each(['', '{', '- 1', 'service: {}', '\u0000', 'a: &a [*a]', 'service: other'])('copes with %j', (text) => {
    expect(answer({ kind: 'check', text }, reader).problems.length).toBeGreaterThan(0);
    expect(answer({ kind: 'explain', text, call: CALL }, reader)).toBeUndefined();
    expect(answer({ kind: 'crowd', before: text, text, call: CALL }, reader)).toBeUndefined();
  });

  it('takes the service from the text, and the caller from the form', () => {
    const text = policy().replace('split:', 'match: { from: [checkout] }\n    split:').replaceAll('payments', 'orders');
    const routeOf = (caller: string) =>
      answer({ kind: 'explain', text, call: { ...CALL, caller } }, reader)?.decision.route;
    expect([routeOf(''), routeOf('checkout')]).toEqual(['default', 'everyone']);
  });
});

describe('another share', () => {
  const reweigh = (text: string, percent: number, entry = 1) =>
    answer({ kind: 'reweigh', text, route: 0, entry, percent }, reader);

  it('changes the weights alone, and keeps what the author wrote', () => {
    const changed = policy('# end').replace('weight: 90', 'weight: 74.5').replace('weight: 10', 'weight: 25.5');
    expect(reweigh(policy('# end'), 25.5)).toBe(changed);
  });

  it('gives all that is left to the base where the others had nothing', () => {
    const three = (next: number, canary: number, stable: number): string =>
      policy()
        .replace('subsets:', 'subsets:\n  next: { tags: [next] }')
        .replace(
          '{ to: stable, weight: 90 }',
          `{ to: next, weight: ${next} }\n      - { to: stable, weight: ${stable} }`,
        )
        .replace('weight: 10', `weight: ${canary}`);
    expect(reweigh(three(0, 100, 0), 40, 2)).toBe(three(0, 40, 60));
  });

  it('leaves a text as it is that has no such split, and answers nothing for one that is not valid', () => {
    const single = policy().replace(/split:[\s\S]*/, 'to: canary\n');
    expect(reweigh(single, 40)).toBe(single);
    expect(reweigh('schema: 2', 40)).toBeUndefined();
  });
});

describe('a breaker', () => {
  it('opens after as many failures as the policy says, and closes after a probe that went well', () => {
    const run = breakerOf('breaker: { consecutiveFailures: 3, resetTimeoutMs: 2000, maxResetTimeoutMs: 2000 }\n');
    const { states, openedAfterMs, closedAfterMs, totals, failedWithout } = run;
    // The third failure is answered 20 ms after its call, which began 100 ms after the first.
    expect(openedAfterMs).toBe(120);
    expect(states.slice(0, 3).map(({ state }) => state)).toEqual(['closed', 'open', 'halfOpen']);
    expect(states.find(({ state }) => state === 'open')?.because).toBe('3 failures in a row');
    expect(closedAfterMs).toBeLessThanOrEqual(2_100);
    expect(failedWithout).toBe(400);
    expect(totals.served + totals.failed + totals.elsewhere).toBe(1_200);
    // Those three, and a probe in each pause.
    expect(totals.failed).toBeLessThanOrEqual(3 + 12);
  });

  it('that is off lets every call fail', () => {
    const { totals, failedWithout, openedAfterMs, states } = breakerOf('breaker: { enabled: false }\n');
    expect([totals.failed, totals.elsewhere, openedAfterMs, states.length]).toEqual([failedWithout, 0, undefined, 1]);
  });

  it('opens on silence by the number for it', () => {
    const { states, openedAfterMs } = breakerOf('breaker: { silentFailures: 4 }\n', { isSilent: true });
    expect(states.find(({ state }) => state === 'open')?.because).toBe('4 deadlines in a row without an answer');
    expect(openedAfterMs).toBe(1_150);
  });

  it('of a subset sheds it, and gives it a call a second until three went well', () => {
    const { states, closedAfterMs } = breakerOf('', { level: 'subset' });
    expect(states.find(({ state }) => state === 'open')?.because).toBe('10 failures in a row');
    expect(closedAfterMs).toBeGreaterThanOrEqual(2_000);
  });

  it('runs the same for the same scenario, and its times have no gap', () => {
    const run = breakerOf('', { failingPercent: 60, callsPerSecond: 33 });
    expect(breakerOf('', { failingPercent: 60, callsPerSecond: 33 })).toEqual(run);
    for (const [at, { fromMs }] of run.states.entries()) expect(fromMs).toBe(run.states[at - 1]?.untilMs ?? 0);
    expect(run.states.at(-1)?.untilMs).toBe(60_000);
  });
});

describe('a rollout', () => {
  const text = startOf(EXAMPLES[0] ?? { id: 'label', policy: '', labels: [] }).rollout;
  const run = (failing: number, callsPerSecond = 300) => {
    const stable = { failing: 0.005, medianMs: 20 };
    const scenario = { callsPerSecond, seed: 1, stable, canary: { ...stable, failing } };
    return answer({ kind: 'rollout', text, scenario }, reader).end;
  };

  it('takes a bad canary back, and tells why', () => {
    const end = run(0.05);
    expect(end?.kind).toBe('aborted');
    expect(end?.message).toMatch(/^request-success-rate: canary failed/);
    expect(end?.moments.at(-1)).toMatchObject({ weight: 0 });
  });

  it('is cut where it would draw more calls than it may', () => {
    expect(run(0.005, 1_000_000)?.kind).toBe('cut');
  });

  it('tells what is wrong with its text', () => {
    const stable = { failing: 0, medianMs: 20 };
    const scenario = { callsPerSecond: 1, seed: 1, stable, canary: stable };
    const { problems, end } = answer({ kind: 'rollout', text: 'schema: 1\nsteps: []\n', scenario }, reader);
    expect(end).toBeUndefined();
    expect(problems.length).toBeGreaterThan(2);
  });
});
