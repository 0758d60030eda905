import { describe, expect, it } from 'vitest';
import { judge } from '../../../../../src/ops/rollout/analysis/judge';
import { type AnalysisSettings, resolveAnalysis } from '../../../../../src/ops/rollout/analysis/settings';
import type { Measurement, SubsetMetrics } from '../../../../../src/ops/rollout/analysis/subset-metrics';
import type { AnalysisResult } from '../../../../../src/ops/rollout/analysis/verdict';
import type { CheckDocument } from '../../../../../src/ops/rollout/document';
import { WINDOW } from './window';

function verdict(check: CheckDocument, measurement: Measurement, failures: Readonly<Record<string, number>> = {}) {
  return judge(settingsOf(check), measurement, { ...WINDOW, failures }, undefined, 0);
}

function settingsOf(check: CheckDocument): AnalysisSettings {
  const document = { schema: 1, service: 'payments', canary: 'canary', stable: 'stable', steps: [] } as const;
  return resolveAnalysis({ ...document, analysis: { checks: [check] } });
}

describe('judge', () => {
  it('takes a canary that was never called for one with too few calls, not for an error', () => {
    const measurement = { canary: { calls: 0, failures: 0 }, stable: { calls: 500, failures: 0 } };
    expect(verdict({ check: 'request-duration' }, measurement).result).toMatchObject({
      verdict: 'undecided',
      checks: [{ check: 'request-duration p99', message: 'too few calls: canary 0 of at least 100' }],
    });
  });

  it('errs where there are calls and no durations, and where there is nothing', () => {
    const measurement = { canary: { calls: 500, failures: 0 }, stable: { calls: 500, failures: 0 } };
    expect(verdict({ check: 'request-duration' }, measurement).result.verdict).toBe('error');
    for (const check of ['request-success-rate', 'request-duration', 'breaker-open'] as const) {
      expect(verdict({ check }, {}).result.verdict).toBe('error');
    }
  });

  it('does not hold load that slows both against the canary', () => {
    const slow = { boundsMs: [10, 100], counts: [100, 900, 0] };
    const measurement = {
      canary: { calls: 1_000, failures: 0, durations: slow },
      stable: { calls: 1_000, failures: 0, durations: slow },
    };
    const seen = { calls: 0, bad: 0 };
    const slowCalls = { 'request-duration p99': { limitMs: 10, seen, worst: seen } };
    const { result } = judge(
      settingsOf({ check: 'request-duration' }),
      measurement,
      { ...WINDOW, slowCalls },
      undefined,
      0,
    );
    expect(result.verdict).toBe('pass');
  });

  it.each([
    ['fails beyond minimum, whatever stable does', { minimum: 99 }, 30, 900, 'fail', /; allowed 1\.00 %$/],
    ['passes within minimum, with no call of stable', { minimum: 95 }, 5, 0, 'pass', /allowed 5\.00 %$/],
    [
      'is undecided near the limit',
      { minimum: 99 },
      10,
      900,
      'undecided',
      /^too few calls to tell; .*; allowed 1\.00 %$/,
    ],
    [
      'fails by the one of both limits',
      { minimum: 90, threshold: 1 },
      50,
      0,
      'fail',
      /allowed 1 point more, allowed 10/,
    ],
    [
      'needs both limits to pass',
      { minimum: 99.9, threshold: 5 },
      1,
      0,
      'undecided',
      /allowed 5 points more, allowed 0\.10/,
    ],
  ] as const)('a success rate %s', (_, limits, failed, ofStable, expected, message) => {
    const measurement = { canary: { calls: 1_000, failures: failed }, stable: { calls: 1_000, failures: ofStable } };
    const alone = { ...measurement, stable: { calls: 0, failures: 0 } };
    const given = 'threshold' in limits ? measurement : failed === 5 ? alone : measurement;
    const { checks } = verdict({ check: 'request-success-rate', ...limits }, given).result;
    expect(checks).toMatchObject([{ verdict: expected, message: expect.stringMatching(message) }]);
  });

  it('holds p99 against an absolute limit in two measurements, also where stable is as slow or has no figures', () => {
    const settings = settingsOf({ check: 'request-duration', maximumMs: 50 });
    const side = (calls: number, late: number): SubsetMetrics => ({
      ...{ calls, failures: 0 },
      durations: { boundsMs: [10, 50, 100], counts: [calls - late, 0, late, 0] },
    });
    for (const stable of [side(1_000, 500), { calls: 0, failures: 0 }]) {
      const first = judge(settings, { canary: side(1_000, 60), stable }, WINDOW, undefined, 0);
      expect(first.result.verdict).toBe('undecided');
      const next = judge(
        settings,
        { canary: side(2_000, 120), stable },
        { ...WINDOW, slowCalls: first.slowCalls },
        undefined,
        0,
      );
      expect(next.result.checks).toMatchObject([
        {
          verdict: 'fail',
          message: expect.stringMatching(/120 of 2,000 .* took longer than 50 ms, allowed 1\.00 %/),
          figures: { limit: 50 },
        },
      ]);
      const well = judge(settings, { canary: side(2_000, 2), stable }, WINDOW, undefined, 0);
      expect(well.result.verdict).toBe('pass');
    }
    const beyond = settingsOf({ check: 'request-duration', maximumMs: 500 });
    const late: SubsetMetrics = { ...side(1_000, 0), durations: { boundsMs: [10, 100], counts: [900, 0, 100] } };
    expect(judge(beyond, { canary: late, stable: late }, WINDOW, undefined, 0).result.checks).toMatchObject([
      { verdict: 'error', message: 'maximumMs: 500 (expected: at most 100 ms, the last bound of the figures)' },
    ]);
  });

  it.each([
    [undefined, undefined, 'error', 'no figures of compared answers'],
    [50, 0, 'undecided', 'too few to tell; 0 of 50 compared answers differ (0.00 %); allowed 1.00 %'],
    [1_000, 0, 'pass', '0 of 1,000 compared answers differ (0.00 %); allowed 1.00 %'],
    [1_000, 10, 'undecided', 'too few to tell; 10 of 1,000 compared answers differ (1.00 %); allowed 1.00 %'],
    [1_000, 40, 'fail', '40 of 1,000 compared answers differ (4.00 %); allowed 1.00 %'],
  ] as const)('takes %s compared answers, %s of which differ: %s', (compared, differing, expected, message) => {
    const canary = { calls: 0, failures: 0, ...(compared === undefined ? {} : { compared, differing }) };
    const measurement = { canary, stable: { calls: 0, failures: 0 } };
    const { checks } = verdict({ check: 'mirror-compare', maximum: 1 }, measurement).result;
    expect(checks).toMatchObject([{ check: 'mirror-compare', verdict: expected, message }]);
  });

  describe('a canary some of whose calls are slow', () => {
    /** Of 1,000 canary calls in each measurement so many are slow; stable has none. */
    function verdicts(slow: readonly number[]): readonly AnalysisResult[] {
      const settings = settingsOf({ check: 'request-duration' });
      let window = WINDOW;
      return slow.map((_, at) => {
        const calls = 1_000 * (at + 1);
        const bad = slow.slice(0, at + 1).reduce((sum, each) => sum + each, 0);
        const side = (late: number): SubsetMetrics => ({
          ...{ calls, failures: 0 },
          durations: { boundsMs: [10, 100], counts: [calls - late, late, 0] },
        });
        const judged = judge(settings, { canary: side(bad), stable: side(0) }, window, undefined, 0);
        window = { ...window, slowCalls: judged.slowCalls };
        return judged.result;
      });
    }
    const last = (slow: readonly number[]): string | undefined => verdicts(slow).at(-1)?.verdict;

    it('is slow where they are so in every measurement', () => {
      expect(verdicts([60, 60, 60]).map((each) => each.verdict)).toEqual(['undecided', 'fail', 'fail']);
    });

    it('has hiccuped where one measurement had them all, whichever', () => {
      for (const slow of [
        [200, 0, 0],
        [0, 200, 0],
        [0, 0, 200],
      ]) {
        expect(last(slow)).toBe('pass');
      }
      expect(verdicts([0, 0, 200]).at(-1)?.checks[0]?.message).toMatch(
        /allowed 1\.00 %; all of them in one measurement$/,
      );
    });

    it('is told from one that hiccuped by the second burst', () => {
      expect(last([0, 200, 0, 200])).toBe('fail');
    });

    it.each([
      ['p50', 20],
      ['p95', 5],
      ['p99', 3],
    ] as const)(
      'of which all are slow is found at %s after %i calls beside the worst measurement',
      (quantile, calls) => {
        const check = { check: 'request-duration', quantile } as const;
        const settings = { ...settingsOf(check), minimumCalls: 1 };
        const side = (late: number, quick: number): SubsetMetrics => ({
          ...{ calls: late + quick, failures: 0 },
          durations: { boundsMs: [1, 10, 100], counts: [quick, 0, late, 0] },
        });
        let window = WINDOW;
        const results = [100, 100 + calls].map((late) => {
          const judged = judge(settings, { canary: side(late, 0), stable: side(0, 3 * late) }, window, undefined, 0);
          window = { ...window, slowCalls: judged.slowCalls };
          return judged.result.verdict;
        });
        expect(results).toEqual(['undecided', 'fail']);
      },
    );
  });

  it.each([
    ['queue', { result: 50 }, 'pass'],
    ['queue', { result: 300 }, 'undecided'],
    ['queue', { result: 600 }, 'fail'],
    ['queue', { canary: 1 }, 'error'],
    ['other', { result: 50 }, 'error'],
  ] as const)('a value of %s %j: %s', (name, value, expected) => {
    const check: CheckDocument = {
      check: 'value',
      name: 'queue',
      provider: 'x',
      successCondition: 'result < 100',
      failureCondition: 'result > 500',
    };
    expect(verdict(check, { values: { [name]: value } }).result.verdict).toBe(expected);
  });

  it('tolerates as many failed measurements as the limit says', () => {
    const check: CheckDocument = { check: 'value', name: 'q', provider: 'x', successCondition: '< 1', failureLimit: 1 };
    const first = verdict(check, { values: { q: { result: 5 } } });
    expect(first.result.checks[0]).toMatchObject({
      verdict: 'pass',
      message: 'result 5: not < 1 (failure 1 of 1 allowed)',
    });
    expect(verdict(check, { values: { q: { result: 5 } } }, first.failures).result.verdict).toBe('fail');
  });
});
