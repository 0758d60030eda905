import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RolloutDocument } from '../../src/rollout/document';
import { parseRollout, validateRollout } from '../../src/rollout/validate';

/** Says everything that can be said. */
const WHOLE: RolloutDocument = {
  schema: 1,
  service: 'payments',
  canary: 'canary',
  stable: 'stable',
  route: 'everyone',
  maxLoadFactor: 2,
  onSuccess: 'promote',
  steps: [
    { setRoute: { name: 'testers', match: { labels: { 'x-gray': 'canary' } } } },
    { setWeight: 5 },
    { pause: { durationMs: 60_000 } },
    { analysis: { count: 3 } },
    { setWeight: 50 },
    { pause: {} },
    { analysis: { checks: [{ check: 'request-success-rate', threshold: 0.5 }], acceptance: 'unrefuted' } },
  ],
  analysis: {
    intervalMs: 10_000,
    count: 5,
    initialDelayMs: 1_000,
    minimumCalls: 50,
    consecutiveErrorLimit: 2,
    inconclusiveLimit: 3,
    acceptance: 'proven',
    background: true,
    falseAlarmRate: 0.02,
    missRate: 0.05,
    provider: {
      prometheus: {
        address: 'http://127.0.0.1:9090',
        labels: { job: 'orders' },
        failureStatusCodes: ['UNAVAILABLE'],
        tokenEnv: 'PROMETHEUS_TOKEN',
        timeoutMs: 5_000,
      },
    },
    checks: [
      { check: 'request-success-rate' },
      { check: 'request-duration', quantile: 'p95', factor: 1.2 },
      { check: 'breaker-open', failureLimit: 1 },
      {
        check: 'value',
        name: 'queue',
        provider: { prometheus: { address: 'http://127.0.0.1:9090', query: 'max(queue_length)' } },
        successCondition: 'result < 100',
        failureCondition: 'result > 500',
        failureLimit: 2,
      },
      {
        check: 'value',
        name: 'hook',
        provider: { webhook: { url: 'https://hooks.example/x' } },
        successCondition: '== 0',
      },
      { check: 'value', name: 'script', provider: { command: { run: ['./check', '-v'] } }, failureCondition: '> 1' },
    ],
  },
  notify: { webhook: { url: 'http://127.0.0.1:1/x', timeoutMs: 100 }, command: { run: ['logger'] } },
};

const MINIMAL = { schema: 1, service: 'payments', canary: 'canary', stable: 'stable', steps: [{ setWeight: 5 }] };

/** A sound document with one place changed; `undefined` takes it out. */
function change(path: readonly (string | number)[], value: unknown): unknown {
  const copy = structuredClone(WHOLE) as unknown;
  let holder = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>;
  const last = path.at(-1) ?? '';
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return copy;
}

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
    [['steps', 1], {}, 'steps[1]: empty (expected: exactly one of setWeight, pause, analysis, setRoute)'],
    [
      ['steps', 1],
      { setWeight: 5, pause: {} },
      'steps[1]: setWeight and pause (expected: exactly one of setWeight, pause, analysis, setRoute)',
    ],
    [['steps', 1, 'setWeight'], 120, 'steps[1].setWeight: 120 (expected: <= 100)'],
    [['steps', 1, 'setWeight'], -1, 'steps[1].setWeight: -1 (expected: >= 0)'],
    [['steps', 1, 'setWeight'], '5', 'steps[1].setWeight: "5" (expected: a number)'],
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
      'steps[0].setRoute.match: empty (expected: at least one of methods, labels, any, sample)',
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
    [['maxLoadFactor'], 0, 'maxLoadFactor: 0 (expected: > 0)'],
    [['onSuccess'], 'promot', 'onSuccess: "promot" (expected: one of keep, promote; did you mean promote?)'],
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
    [['analysis', 'provider'], {}, 'analysis.provider: empty (expected: exactly one of prometheus, webhook, command)'],
    [
      ['analysis', 'provider', 'prometheus', 'address'],
      'localhost:9090',
      'analysis.provider.prometheus.address: "localhost:9090" (expected: http://host:port or https://host:port)',
    ],
    [
      ['analysis', 'provider', 'prometheus', 'query'],
      'up',
      'analysis.provider.prometheus.query: "up" (expected: none; built-in checks have their own, a query goes into a check: value)',
    ],
    [
      ['analysis', 'provider', 'prometheus', 'token'],
      's3cret',
      /^analysis\.provider\.prometheus\.token: .* \(expected: a known key; secrets stay out of documents/,
    ],
    [
      ['analysis', 'checks', 0, 'check'],
      'success-rate',
      'analysis.checks[0].check: "success-rate" (expected: one of request-success-rate, request-duration, breaker-open, value)',
    ],
    [
      ['analysis', 'checks', 0, 'check'],
      undefined,
      /^analysis\.checks\[0\]\.check: missing \(expected: one of request-/,
    ],
    [['analysis', 'checks', 0, 'threshold'], 100, 'analysis.checks[0].threshold: 100 (expected: < 100)'],
    [['analysis', 'checks', 0, 'factor'], 2, 'analysis.checks[0].factor: 2 (expected: a known key: check, threshold)'],
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
      ['analysis', 'checks', 3, 'provider', 'prometheus', 'query'],
      undefined,
      'analysis.checks[3].provider.prometheus.query: missing (expected: a query in PromQL)',
    ],
    [
      ['analysis', 'checks', 5, 'provider', 'command', 'run'],
      'rm -rf',
      'analysis.checks[5].provider.command.run: "rm -rf" (expected: a list)',
    ],
    [['notify'], {}, 'notify: empty (expected: at least one of webhook, command)'],
    [
      ['notify', 'webhook', 'url'],
      'ftp://x',
      'notify.webhook.url: "ftp://x" (expected: http://host:port or https://host:port)',
    ],
  ] as const)('is refused at %j: %j', (path, value, expected) => {
    const found = messages(change(path, value));
    expect(found).toContainEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected));
    expect(validateRollout(change(path, value)).document).toBeUndefined();
  });

  it('does not repeat a password that stands in an address', () => {
    const [problem] = messages(change(['notify', 'webhook', 'url'], 'http://me:s3cret@hooks.example/'));
    expect(problem).toMatch(/^notify\.webhook\.url: an address with a user \(expected: /);
    expect(problem).not.toContain('s3cret');
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

/** Every place of a value, the value itself included. */
function placesOf(value: unknown, path: readonly (string | number)[] = []): readonly (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  const inner = keys.flatMap((key) => placesOf((value as Record<string | number, unknown>)[key], [...path, key]));
  return path.length === 0 ? inner : [path, ...inner];
}

describe('validateRollout', () => {
  const places = placesOf(WHOLE);

  it('refuses a foreign value in every place, with the path of that place', () => {
    const foreign = fc.constantFrom<unknown>(
      null,
      Number.NaN,
      { wobble: 1 },
      [[]],
      -7.5,
      'a b\u0000c',
      1e300,
      true,
      'x'.repeat(9_000),
    );
    fc.assert(
      fc.property(fc.constantFrom(...places), foreign, (path, value) => {
        const { problems, document } = validateRollout(change(path, value));
        for (const { path: where, message } of problems) {
          expect(message.startsWith(where === '' ? 'rollout: ' : `${where}: `)).toBe(true);
          expect(message).toMatch(/ \(expected: .+\)$/s);
        }
        expect(document === undefined).toBe(problems.length > 0);
        // Which place, unless the value happens to be sound there or says something else of the whole.
        const shown = path.reduce<string>(
          (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`),
          '',
        );
        if (value === null)
          expect(problems.map(({ path: where }) => where)).toContainEqual(expect.stringContaining(shown));
      }),
      { numRuns: 2_000 },
    );
  });

  it('judges anything without throwing', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
        (value) => {
          expect(validateRollout(value).problems.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('refuses every unknown key at its path', () => {
    for (const path of places) {
      const { problems } = validateRollout(change([...path.slice(0, -1), 'wobble'], 1));
      if (typeof path.at(-1) === 'number') continue;
      const isOpen = ['labels', 'x-gray', 'job'].some((key) => path.includes(key) && path.at(-1) !== 'labels');
      if (!isOpen)
        expect(problems.map(({ path: where }) => where)).toContainEqual(expect.stringMatching(/(^|\.)wobble$/));
    }
  });
});
