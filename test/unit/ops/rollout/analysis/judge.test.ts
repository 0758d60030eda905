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
