import { describe, expect, it } from 'vitest';
import { parseRollout, validateRollout } from '../../../../src/ops/rollout/validate';
import { change, WHOLE } from './whole-rollout';

const MINIMAL = { schema: 1, service: 'payments', canary: 'canary', stable: 'stable', steps: [{ setWeight: 5 }] };

const PROVIDER = 'the name (letters, digits, _ . -) of a provider in the configuration of the controller';

function messages(value: unknown): readonly string[] {
  return validateRollout(value).problems.map(({ message }) => message);
}

describe('a rollout document', () => {
  it('may say everything, or next to nothing', () => {
    expect(messages(WHOLE)).toEqual([]);
    expect(messages(MINIMAL)).toEqual([]);
    expect(validateRollout(WHOLE).document).toEqual(WHOLE);
  });

  it.each([
    [['schema'], 2, 'schema: 2 (expected: 1; this one is written for a newer version of graylane)'],
    [['service'], undefined, 'service: missing (expected: the name of a Consul service)'],
    [['service'], 'a/b', 'service: "a/b" (expected: the name of a Consul service)'],
    [['canary'], '', 'canary: "" (expected: a name of 1 to 64 letters, digits, _ . -)'],
    [['canary'], 'stable', 'canary: "stable" (expected: another subset than stable)'],
    [['stable'], 5, 'stable: 5 (expected: a text; put it in quotes)'],
    [['route'], '', 'route: "" (expected: a text that is not empty)'],
    [['steps'], [], 'steps: [] (expected: at least 1 of them)'],
    [['steps'], [{ pause: {} }], 'steps: no setWeight above 0 (expected: at least one)'],
    [
      ['steps', 1],
      {},
      'steps[1]: empty (expected: exactly one of setWeight, pause, analysis, setRoute, clearRoute, setMirror, gate, approval)',
    ],
    [
      ['steps', 1],
      { setWeight: 5, pause: {} },
      'steps[1]: setWeight and pause (expected: exactly one of setWeight, pause, analysis, setRoute, clearRoute, setMirror, gate, approval)',
    ],
    [['steps', 1, 'setWeight'], 120, 'steps[1].setWeight: 120 (expected: <= 100)'],
    [['steps', 1, 'setWeight'], -1, 'steps[1].setWeight: -1 (expected: >= 0)'],
    [['steps', 1, 'setWeight'], '5', 'steps[1].setWeight: "5" (expected: a number; write 5)'],
    [['steps', 1, 'setWeight'], Number.NaN, 'steps[1].setWeight: NaN (expected: a number)'],
    [['steps', 2, 'pause', 'durationMs'], 0, 'steps[2].pause.durationMs: 0 (expected: >= 1)'],
    [
      ['steps', 2, 'pause', 'duration'],
      '1m',
      'steps[2].pause.duration: "1m" (expected: a known key; here durationMs, in milliseconds)',
    ],
    [
      ['steps', 0, 'setRoute', 'match'],
      {},
      'steps[0].setRoute.match: empty (expected: at least one of methods, labels, any, sample, from)',
    ],
    [['steps', 0, 'setRoute', 'match'], undefined, 'steps[0].setRoute.match: missing (expected: an object)'],
    [
      ['steps', 0, 'setRoute', 'match', 'labels', 'x-gray'],
      { regex: '(' },
      /^steps\[0\]\.setRoute\.match\.labels\.x-gray\.regex: "\("/,
    ],
    [
      ['steps', 0, 'setRoute', 'name'],
      'everyone',
      'steps[0].setRoute.name: "everyone" (expected: a name that no other route of the rollout has)',
    ],
    [['steps', 1], { clearRoute: 'vip' }, 'steps[1].clearRoute: "vip" (expected: the name of a setRoute before it)'],
    [
      ['steps', 1],
      { setMirror: { percent: 0 } },
      'steps[1].setMirror.percent: 0 (expected: > 0, or a setMirror before it)',
    ],
    [['steps', 1], { setMirror: { percent: 0.001 } }, 'steps[1].setMirror.percent: 0.001 (expected: steps of 0.01)'],
    [['steps', 1], { setMirror: {} }, 'steps[1].setMirror.percent: missing (expected: a number)'],
    [['maxLoadFactor'], 0, 'maxLoadFactor: 0 (expected: > 0)'],
    [['onSuccess'], 'promot', 'onSuccess: "promot" (expected: one of keep, promote; did you mean promote?)'],
    [
      ['onSuccess'],
      'keep',
      'onSuccess: keep, beside deployment (expected: promote, which a deployment does without it)',
    ],
    [['job'], 'payments', /^job: .*\(expected: a known key; the configuration of the controller says that/],
    [['analysis', 'intervalMs'], 1, 'analysis.intervalMs: 1 (expected: >= 100)'],
    [
      ['analysis', 'interval'],
      '30s',
      'analysis.interval: "30s" (expected: a known key; here intervalMs, in milliseconds)',
    ],
    [['analysis', 'count'], 1.5, 'analysis.count: 1.5 (expected: a whole number)'],
    [['analysis', 'falseAlarmRate'], 0, 'analysis.falseAlarmRate: 0 (expected: > 0)'],
    [['analysis', 'missRate'], 0.6, 'analysis.missRate: 0.6 (expected: <= 0.5)'],
    [['analysis', 'acceptance'], 'yes', 'analysis.acceptance: "yes" (expected: one of proven, unrefuted)'],
    [['analysis', 'background'], 'no', 'analysis.background: "no" (expected: true or false)'],
    [
      ['analysis', 'provider'],
      { prometheus: { address: 'http://10.0.0.1:9090', tokenEnv: 'CONSUL_HTTP_TOKEN' } },
      `analysis.provider: an object of prometheus (expected: ${PROVIDER})`,
    ],
    [['analysis', 'provider'], 'a b', `analysis.provider: "a b" (expected: ${PROVIDER})`],
    [
      ['analysis', 'tokenEnv'],
      'CONSUL_HTTP_TOKEN',
      /^analysis\.tokenEnv: .* \(expected: a known key; the configuration of the controller says that/,
    ],
    [
      ['analysis', 'provider'],
      'clients',
      'analysis.failureStatusCodes: given (expected: only with a provider; clients report what their breakers take for a failure)',
    ],
    [
      ['analysis', 'checks', 0, 'check'],
      'success-rate',
      'analysis.checks[0].check: "success-rate" (expected: one of request-success-rate, request-duration, breaker-open, mirror-compare, value)',
    ],
    [
      ['analysis', 'checks', 0, 'check'],
      undefined,
      /^analysis\.checks\[0\]\.check: missing \(expected: one of request-/,
    ],
    [['analysis', 'checks', 0, 'threshold'], 100, 'analysis.checks[0].threshold: 100 (expected: < 100)'],
    [
      ['analysis', 'checks', 0, 'factor'],
      2,
      'analysis.checks[0].factor: 2 (expected: a known key: check, threshold, minimum)',
    ],
    [
      ['analysis', 'checks', 1, 'quantile'],
      'p90',
      /^analysis\.checks\[1\]\.quantile: "p90" \(expected: one of p50, p95, p99/,
    ],
    [['analysis', 'checks', 1, 'factor'], 0.5, 'analysis.checks[1].factor: 0.5 (expected: >= 1)'],
    [['analysis', 'checks', 2, 'failureLimit'], -1, 'analysis.checks[2].failureLimit: -1 (expected: >= 0)'],
    [
      ['analysis', 'checks', 3, 'successCondition'],
      'result <',
      'analysis.checks[3].successCondition: "result <" (expected: a number, result, canary or stable at its end)',
    ],
    [
      ['analysis', 'checks', 4, 'successCondition'],
      undefined,
      'analysis.checks[4].successCondition: missing (expected: successCondition, failureCondition or both)',
    ],
    [
      ['analysis', 'checks', 4, 'name'],
      'queue',
      'analysis.checks[4].name: queue, given twice (expected: each check once)',
    ],
    [
      ['analysis', 'checks', 3, 'provider'],
      { command: { run: ['rm', '-rf'] } },
      `analysis.checks[3].provider: an object of command (expected: ${PROVIDER})`,
    ],
    [
      ['analysis', 'checks', 3, 'provider'],
      'clients',
      'analysis.checks[3].provider: "clients" (expected: a provider of one figure; clients report calls)',
    ],
    [['notify'], [], 'notify: [] (expected: at least 1 of them)'],
    [
      ['notify'],
      { webhook: { url: 'https://me:s3cret@hooks.example/' } },
      'notify: an object of webhook (expected: a list of names of hooks in the configuration of the controller)',
    ],
    [
      ['analysis', 'checks', 3, 'successCondition'],
      'canary <= stable * 1.5',
      /^analysis\.checks\[3\]\.successCondition: "canary <= stable \* 1\.5" \(expected: result alone: this query yields one figure\. With \{\{subset\}\} in it/,
    ],
    [
      ['analysis', 'checks', 3, 'query'],
      'max(queue_length{subset="{{ subset }}"})',
      /successCondition: "result < 100" \(expected: canary and stable alone: a query with \{\{subset\}\}/,
    ],
  ] as const)('is refused at %j: %j', (path, value, expected) => {
    const found = messages(change(path, value));
    expect(found).toContainEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected));
    expect(validateRollout(change(path, value)).document).toBeUndefined();
  });

  it('is told of everything at once, with line and column', () => {
    const { problems } = parseRollout(
      'schema: 1\nservice: payments\nstable: stable\nsteps:\n  - setWeight: 500\n  - paus: {}\n',
      'yaml',
    );
    expect(problems.map(({ path, line, column }) => [path, line, column])).toEqual(
      expect.arrayContaining([
        ['canary', 1, 1],
        ['steps[0].setWeight', 5, 5],
        ['steps[1].paus', 6, 5],
      ]),
    );
    expect(parseRollout('{', 'json').problems[0]?.message).toMatch(/^rollout: not JSON/);
    expect(parseRollout(' ', 'yaml').problems[0]?.message).toBe('rollout: blank (expected: a rollout document)');
    expect(parseRollout('a: 1\na: 2', 'yaml').problems[0]?.message).toBe('a: given twice (expected: each key once)');
  });
});
