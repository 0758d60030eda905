import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { builtCommand, cleanEnv } from './built-command';
import { commandWorld, policyOf } from './two-datacenters';

interface Step {
  readonly if?: string;
  readonly shell: string;
  readonly env: Readonly<Record<string, string>>;
  readonly run: string;
}

interface Action {
  readonly inputs: Readonly<Record<string, { readonly description: string; readonly default: string }>>;
  readonly runs: { readonly using: string; readonly steps: readonly Step[] };
}

interface Job {
  readonly extends?: string;
  readonly rules?: readonly { readonly if: string; readonly changes?: readonly string[] }[];
  readonly variables?: Readonly<Record<string, string>>;
  readonly script?: readonly string[];
}

interface Ended {
  readonly code: number;
  readonly output: string;
}

const root = join(__dirname, '..', '..', '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const action = parse(read('action.yml')) as Action;
const [header, jobs] = parseAllDocuments(read('templates/policies.gitlab-ci.yml')).map((document) => document.toJS());

const world = commandWorld();

/** A repository with policies, that has Graylane installed. */
function repositoryOf(name: string, percent: number | null): string {
  const policy = percent === null ? { ...policyOf('payments'), schema: 2 } : policyOf('payments', percent);
  const folder = world.folder(name, { 'policies/payments.json': policy });
  mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true });
  symlinkSync(builtCommand, join(folder, 'node_modules', '.bin', 'graylane'));
  writeFileSync(join(folder, 'package.json'), '{ "name": "shop", "private": true }');
  return folder;
}

async function shell(script: string, cwd: string, env: Readonly<Record<string, string>>): Promise<Ended> {
  // As GitHub runs `shell: bash`, and GitLab's runner each line of a script.
  const child = spawn('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], {
    cwd,
    env: { ...cleanEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  }
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

const address = (): string => world.consul.dc('dc1').address;

describe('action.yml', () => {
  /** Runs the steps as GitHub does, up to one that fails. */
  async function use(folder: string, given: Readonly<Record<string, string>>): Promise<Ended & { summary: string }> {
    const sha = 'a1b2c3';
    const github = (text: string): string =>
      text.replace(/\$\{\{ (github\.sha|inputs\.(\w+)) \}\}/g, (_, whole: string, name: string) =>
        whole === 'github.sha' ? sha : `${inputs[name]}`,
      );
    const inputs: Record<string, string> = {};
    for (const [name, input] of Object.entries(action.inputs)) inputs[name] = given[name] ?? github(input.default);
    const summary = join(folder, 'summary.md');
    writeFileSync(summary, '');
    let output = '';
    let code = 0;
    for (const step of action.runs.steps) {
      const condition = step.if?.replaceAll('==', '===').replaceAll('!=', '!==') ?? 'true';
      if (new Function('inputs', `return ${condition};`)(inputs) !== true) continue;
      const env = Object.fromEntries(Object.entries(step.env).map(([name, value]) => [name, github(value)]));
      const ended = await shell(step.run, folder, { GITHUB_STEP_SUMMARY: summary, ...env });
      output += ended.output;
      code = ended.code;
      if (code !== 0) break;
    }
    return { code, output, summary: readFileSync(summary, 'utf8') };
  }

  it('is a composite action whose steps name their shell, and take no input into their text', () => {
    expect(action.runs.using).toBe('composite');
    expect(action.runs.steps.map(({ shell: named }) => named)).toEqual(action.runs.steps.map(() => 'bash'));
    // An input in the text of a script would be run as a part of it.
    expect(action.runs.steps.filter(({ run }) => run.includes('${{'))).toEqual([]);
    const asked = read('action.yml').match(/inputs\.(\w+)/g) ?? [];
    expect([...new Set(asked.map((one) => one.slice('inputs.'.length)))].sort()).toEqual(
      Object.keys(action.inputs).sort(),
    );
  });

  it('checks files alone without a Consul, and fails for a mistake', async () => {
    const good = await use(repositoryOf('files', 5), {});
    expect([good.code, good.summary]).toEqual([0, '']);
    const bad = await use(repositoryOf('mistake', null), {});
    expect([bad.code, bad.output]).toEqual([1, expect.stringContaining('schema: 2')]);
  });

  it('shows what would change, applies it, and then finds no drift', async () => {
    const folder = repositoryOf('change', 5);
    const before = await use(folder, { consul: address() });
    expect([before.code, before.summary]).toEqual([0, expect.stringContaining('`payments`')]);
    const drift = await use(folder, { mode: 'drift', consul: address() });
    expect([drift.code, drift.output]).toEqual([1, expect.stringMatching(/1 differ/)]);
    expect(await world.kv('graylane/policies/payments')).toBeUndefined();
    const applied = await use(folder, { mode: 'apply', consul: address() });
    expect(applied.code).toBe(0);
    expect((await use(folder, { mode: 'drift', consul: address() })).code).toBe(0);
    const log = await world.run(['policy', 'log', 'payments']);
    expect(log.stdout).toContain('a1b2c3');
  });

  it('fails where Consul does not answer', async () => {
    const folder = repositoryOf('away', 5);
    for (const mode of ['check', 'drift', 'apply']) {
      const { code, output } = await use(folder, { mode, consul: 'http://127.0.0.1:1' });
      expect([mode, code, output]).toEqual([mode, 2, expect.stringContaining('ECONNREFUSED')]);
    }
  });
});

describe('the template for GitLab', () => {
  const inputs = header.spec.inputs as Readonly<Record<string, { readonly default?: string }>>;

  it('uses inputs that it declares, and hides what is not a job', () => {
    const used = [...read('templates/policies.gitlab-ci.yml').matchAll(/\$\[\[ inputs\.(\w+) \]\]/g)];
    expect([...new Set(used.map(([, name]) => name))].sort()).toEqual(Object.keys(inputs).sort());
    for (const [name, job] of Object.entries(jobs as Record<string, Job>)) {
      if (name.startsWith('.')) continue;
      expect([name, job.extends, job.rules?.length, job.script !== undefined]).toEqual([name, '.graylane', 1, true]);
    }
  });

  /** Runs a job's script as the runner does. */
  async function runJob(name: string, folder: string, consul: string): Promise<Ended> {
    const { variables, script = [] } = (jobs as Record<string, Job>)[name] ?? {};
    const base = (jobs as Record<string, Job>)['.graylane']?.variables;
    const given: Readonly<Record<string, string>> = { consul, folder: 'policies/' };
    const fill = (value: string): string =>
      value.replace(/\$\[\[ inputs\.(\w+) \]\]/g, (_, input: string) => given[input] ?? inputs[input]?.default ?? '');
    const env: Record<string, string> = { CI_COMMIT_SHORT_SHA: 'd4e5f6' };
    for (const [key, value] of Object.entries({ ...base, ...variables })) {
      env[key] = fill(value).replace(/\$CONSUL_\w+_TOKEN/, '');
    }
    return shell(script.join('\n'), folder, env);
  }

  it('checks a merge request, applies it after the merge, and finds drift', async () => {
    const folder = repositoryOf('gitlab', 25);
    const check = await runJob('graylane:check', folder, address());
    expect([check.code, readFileSync(join(folder, 'change.md'), 'utf8')]).toEqual([
      0,
      expect.stringContaining('`payments`'),
    ]);
    expect((await runJob('graylane:drift', folder, address())).code).toBe(1);
    expect((await runJob('graylane:apply', folder, address())).code).toBe(0);
    expect((await runJob('graylane:drift', folder, address())).code).toBe(0);
    expect((await world.run(['policy', 'log', 'payments'])).stdout).toContain('d4e5f6');
  });

  it('fails for a mistake, and where Consul does not answer', async () => {
    expect((await runJob('graylane:check', repositoryOf('gitlab-mistake', null), address())).code).toBe(1);
    const away = repositoryOf('gitlab-away', 5);
    for (const job of ['graylane:check', 'graylane:drift', 'graylane:apply']) {
      expect([job, (await runJob(job, away, 'http://127.0.0.1:1')).code]).toEqual([job, 2]);
    }
  });
});
