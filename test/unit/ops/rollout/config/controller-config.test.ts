import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { checkNames } from '../../../../../src/ops/rollout/config/controller-config';
import {
  controllerSchema,
  judgeControllerConfig,
  parseControllerConfig,
} from '../../../../../src/ops/rollout/config/parse-controller-config';
import { fencesOf } from '../../../../integration/docs/fences';
import { change, placesOf, WHOLE } from '../whole-rollout';

const SOUND = {
  $schema: 'node_modules/graylane/dist/controller.schema.json',
  schema: 1,
  providers: {
    metrics: {
      prometheus: {
        address: 'http://127.0.0.1:9090/below',
        labels: { job: 'orders' },
        tokenFile: '/run/secrets/prometheus',
        headers: { 'X-Scope-OrgID': 'payments' },
        timeoutMs: 5_000,
      },
    },
    'load-test': { webhook: { url: 'https://gate.example/x', tokenEnv: 'GATE_TOKEN', headers: {}, timeoutMs: 100 } },
    compare: { command: { run: ['./compare', '-v'], timeoutMs: 100 } },
  },
  hooks: {
    'on-call': { webhook: { url: 'http://127.0.0.1:1/x', tokenEnv: 'HOOK_TOKEN' } },
    log: { command: { run: ['logger'] } },
    team: { slack: { urlEnv: 'SLACK_HOOK' } },
    feishu: { feishu: { urlFile: '/run/secrets/feishu', secretEnv: 'FEISHU_SECRET' } },
    ding: { dingtalk: { url: 'https://oapi.example/robot/send?access_token=x', secretFile: '/run/secrets/ding' } },
    wecom: { wecom: { urlEnv: 'WECOM_HOOK', timeoutMs: 3_000 } },
  },
  gates: {
    board: { webhook: { url: 'https://board.example/ask', tokenEnv: 'BOARD_TOKEN' } },
    load: { command: { run: ['./load.sh'], timeoutMs: 300_000 } },
    incidents: { webhook: { url: 'https://incidents.example/x' } },
  },
  deployments: {
    nomad: {
      nomad: {
        address: 'http://127.0.0.1:4646',
        job: 'payments-api',
        namespace: 'shop',
        region: 'eu',
        tokenFile: '/run/secrets/nomad',
        headers: { 'X-Team': 'shop' },
        timeoutMs: 3_000,
      },
    },
  },
};

/** The same with what stands at `path` changed; `undefined` takes it out. */
function changed(path: readonly string[], value: unknown): unknown {
  return change(path, value, SOUND as never);
}

describe("a controller's configuration", () => {
  it('is gone by as it stands', () => {
    const { problems, config } = judgeControllerConfig(SOUND);
    expect(problems).toEqual([]);
    expect([...(config?.providers.keys() ?? [])]).toEqual(['metrics', 'load-test', 'compare']);
    expect([...(config?.hooks.keys() ?? [])]).toEqual(['on-call', 'log', 'team', 'feishu', 'ding', 'wecom']);
    expect([...(config?.gates.keys() ?? [])]).toEqual(['board', 'load', 'incidents']);
    expect([...(config?.deployments.keys() ?? [])]).toEqual(['nomad']);
    expect(judgeControllerConfig({ schema: 1 }).problems).toEqual([]);
  });

  const address = 'http://host:port or https://host:port';
  it.each([
    [['schema'], 2, 'schema: 2 (expected: 1; this one is written for a newer version of graylane)'],
    [['wobble'], 1, /^wobble: 1 \(expected: a known key/],
    [['notify'], {}, 'notify: {} (expected: a known key; here hooks)'],
    [['providers', 'metrics'], {}, 'providers.metrics: empty (expected: exactly one of prometheus, webhook, command)'],
    [['hooks', 'on-call', 'prometheus'], {}, /^hooks\.on-call\.prometheus: \{\} \(expected: a known key/],
    [['providers', 'clients'], { command: { run: ['x'] } }, /^providers\.clients: this name \(expected: another name/],
    [['providers', 'a b'], { command: { run: ['x'] } }, /^providers\["a b"\]: this name \(expected: a name of 1 to 64/],
    [['providers', 'metrics', 'prometheus', 'address'], 'localhost:9090', /: "localhost:9090" \(expected: http:/],
    [['hooks', 'on-call', 'webhook', 'url'], 'ftp://x', `hooks.on-call.webhook.url: "ftp://x" (expected: ${address})`],
    [['hooks', 'on-call', 'webhook', 'url'], undefined, 'hooks.on-call.webhook.url: missing (expected: a text)'],
    [['hooks', 'on-call', 'webhook', 'token'], 's3cret', /: a secret stays out of the file|a secret stays out/],
    [['hooks', 'on-call', 'webhook', 'tokenFile'], '/x', /tokenFile: beside tokenEnv \(expected: one of the two\)$/],
    [['hooks', 'on-call', 'webhook', 'tokenEnv'], 'A B', /\(expected: the name of an environment variable\)$/],
    [['hooks', 'on-call', 'webhook', 'timeoutMs'], 0, /timeoutMs: 0 \(expected: >= 1\)$/],
    [['hooks', 'log', 'command', 'run'], 'rm -rf', /run: "rm -rf" \(expected: a list\)$/],
    [['hooks', 'log', 'command', 'run'], [''], /run\[0\]: "" \(expected: a program\)$/],
    [['hooks', 'log', 'command', 'run'], ['a\0b'], /run\[0\]: a text with a zero byte \(expected: a text without\)$/],
    [
      ['providers', 'load-test', 'webhook', 'headers'],
      { Authorization: 'x' },
      /Authorization: this name \(expected: tok/,
    ],
    [
      ['providers', 'load-test', 'webhook', 'headers'],
      { Connection: 'x' },
      /Connection: this name \(expected: a header/,
    ],
    [['providers', 'load-test', 'webhook', 'headers'], { 'a b': 'x' }, /: this name \(expected: the name of a header/],
    [['providers', 'load-test', 'webhook', 'headers'], { a: 'x\r\ny' }, /headers\.a: .* \(expected: printable ASCII/],
    [['hooks', 'team', 'slack'], {}, /^hooks\.team\.slack\.url: missing \(expected: exactly one of url, urlEnv/],
    [['hooks', 'team', 'slack', 'url'], 'https://x', /slack\.url: url and urlEnv \(expected: exactly one of/],
    [['hooks', 'team', 'slack', 'secretEnv'], 'S', /secretEnv: "S" \(expected: a known key/],
    [['hooks', 'ding', 'dingtalk', 'secretEnv'], 'S', /secretFile: beside secretEnv \(expected: one of the two\)$/],
    [['hooks', 'ding', 'dingtalk', 'url'], 'oapi.example', /dingtalk\.url: "oapi\.example" \(expected: http:/],
    [['gates', 'load', 'slack'], { urlEnv: 'X' }, /^gates\.load\.slack: .*\(expected: a known key/],
    [['gates', 'load'], {}, 'gates.load: empty (expected: exactly one of webhook, command)'],
    [['deployments', 'nomad'], {}, 'deployments.nomad: empty (expected: exactly one of nomad)'],
    [['deployments', 'nomad', 'nomad', 'address'], undefined, /nomad\.address: missing/],
    [['deployments', 'nomad', 'nomad', 'address'], '127.0.0.1:4646', /nomad\.address: "127/],
    [['deployments', 'nomad', 'nomad', 'tokenEnv'], 'NOMAD_TOKEN', /tokenFile: beside tokenEnv/],
    [['deployments', 'nomad', 'nomad', 'token'], 's3cret', /a secret stays out of the file/],
    [['deployments', 'nomad', 'nomad', 'namespace'], 'a b', /namespace: "a b" \(expected: a name of/],
    [['providers', 'metrics', 'prometheus', 'labels'], { 'a-b': 'x' }, /\(expected: a label of Prometheus/],
  ] as const)('is refused at %j: %j', (path, value, expected) => {
    const { problems, config } = judgeControllerConfig(changed(path, value));
    const messages = problems.map(({ message }) => message);
    expect(messages).toContainEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected));
    expect(config).toBeUndefined();
  });

  it('does not repeat a password that stands in an address, and says line and column', () => {
    const [problem] = judgeControllerConfig(
      changed(['hooks', 'on-call', 'webhook', 'url'], 'http://me:s3cret@hooks.example/'),
    ).problems;
    expect(problem?.message).toMatch(/^hooks\.on-call\.webhook\.url: an address with a user \(expected: /);
    expect(problem?.message).not.toContain('s3cret');
    const { problems } = parseControllerConfig('schema: 1\nhooks:\n  log: {}\n', 'yaml');
    expect(problems.map(({ path, line, column }) => [path, line, column])).toEqual([['hooks.log', 3, 3]]);
    expect(parseControllerConfig('', 'yaml').problems[0]?.message).toMatch(/^controller configuration: blank/);
  });

  it('has a published schema that accepts what people are shown', () => {
    const editor = new Ajv({ allErrors: true, strictRequired: false });
    const accepts = editor.compile(controllerSchema);
    expect(accepts(SOUND)).toBe(true);
    const shown = fencesOf('docs/rollouts.md').filter(({ text }) => text.startsWith('# controller.yaml'));
    expect(shown).toHaveLength(1);
    for (const { text } of shown) {
      expect(accepts(parse(text))).toBe(true);
      expect(parseControllerConfig(text, 'yaml').problems).toEqual([]);
    }
    for (const path of placesOf(SOUND)) {
      for (const value of [null, { wobble: 1 }, [[]], -7.5, true]) {
        const document = change(path, value, SOUND as never);
        if (!accepts(document)) expect(judgeControllerConfig(document).config).toBeUndefined();
      }
    }
  });
});

describe('the names in a rollout', () => {
  const { config } = judgeControllerConfig(SOUND);
  const told = (path: readonly (string | number)[], value: unknown): readonly string[] =>
    config === undefined ? [] : checkNames(change(path, value) as never, config);
  const others = 'clients, metrics, load-test, compare; the configuration of the controller has no other';

  it('are looked up, also where a check or a step gives them, and so is whether a query can be asked', () => {
    expect(told(['route'], 'everyone')).toEqual([]);
    expect(told(['analysis', 'provider'], 'clients')).toEqual([]);
    expect(told(['analysis', 'provider'], 'metric')).toEqual([
      `analysis.provider: metric (expected: one of ${others})`,
    ]);
    expect(told(['analysis', 'provider'], '__proto__')).toHaveLength(1);
    expect(told(['steps', 7, 'analysis', 'checks', 3, 'provider'], 'x')).toEqual([
      `steps[7].analysis.checks[3].provider: x (expected: one of ${others})`,
    ]);
    expect(told(['analysis', 'checks', 3, 'query'], undefined)).toEqual([
      'analysis.checks[3].query: missing (expected: one in PromQL)',
    ]);
    expect(told(['analysis', 'checks', 4, 'query'], 'up')).toEqual([
      'analysis.checks[4].query: given (expected: only with a Prometheus provider)',
    ]);
    expect(told(['gates', 1, 'gate'], 'x')).toEqual([
      'gates[1].gate: x (expected: a gate of the controller; board, load, incidents)',
    ]);
    expect(told(['steps', 8, 'gate'], 'x')).toEqual([
      'steps[8].gate: x (expected: a gate of the controller; board, load, incidents)',
    ]);
    expect(told(['deployment'], 'x')).toEqual(['deployment: x (expected: a deployment of the controller; nomad)']);
    expect(told(['notify', 0], 'me')).toEqual([
      'notify[0]: me (expected: a hook of the controller; on-call, log, team, feishu, ding, wecom)',
    ]);
    expect(WHOLE.notify).toEqual(['on-call', 'log']);
  });
});
