import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/rollout/analysis/judge';
import type { Measurement } from '../../../src/rollout/analysis/metrics-provider';
import { resolveAnalysis } from '../../../src/rollout/analysis/settings';
import type { CheckDocument } from '../../../src/rollout/document';
import { WINDOW } from './window';

function verdict(check: CheckDocument, measurement: Measurement, failures: Readonly<Record<string, number>> = {}) {
  const document = {
    schema: 1,
    service: 'payments',
    canary: 'canary',
    stable: 'stable',
    steps: [],
    analysis: { checks: [check] },
  } as const;
  return judge(resolveAnalysis(document), measurement, { ...WINDOW, failures }, undefined, 0);
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
    const document = {
      schema: 1,
      service: 'p',
      canary: 'c',
      stable: 's',
      steps: [],
      analysis: { checks: [{ check: 'request-duration' }] },
    } as const;
    const limits = { 'request-duration p99': 10 };
    const { result } = judge(
      resolveAnalysis(document),
      measurement,
      { ...WINDOW, durationLimits: limits },
      undefined,
      0,
    );
    expect(result.verdict).toBe('pass');
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
      provider: {},
      successCondition: 'result < 100',
      failureCondition: 'result > 500',
    };
    expect(verdict(check, { values: { [name]: value } }).result.verdict).toBe(expected);
  });

  it('tolerates as many failed measurements as the limit says', () => {
    const check: CheckDocument = { check: 'value', name: 'q', provider: {}, successCondition: '< 1', failureLimit: 1 };
    const first = verdict(check, { values: { q: { result: 5 } } });
    expect(first.result.checks[0]).toMatchObject({
      verdict: 'pass',
      message: 'result 5: not < 1 (failure 1 of 1 allowed)',
    });
    expect(verdict(check, { values: { q: { result: 5 } } }, first.failures).result.verdict).toBe('fail');
  });
});
