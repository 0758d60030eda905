import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SDK_VERSION } from '../../../src/base/sdk-version';
import { createProcessIo } from '../../../src/cli/io';
import { createProgram } from '../../../src/cli/program';
import { builtCommand, builtGraylane, cleanEnv, graylane, graylaneJson } from './built-command';

const SOUND = 'schema: 1\nservice: payments\n';

describe('graylane', () => {
  let folder: string;
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'graylane-cli-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('says its version', async () => {
    expect(await graylane(['--version'])).toEqual({ code: 0, stdout: `${SDK_VERSION}\n`, stderr: '' });
  });

  it('shows examples in the help of every command, and offers --json', () => {
    const program = createProgram(createProcessIo(process));
    const leaves = (command: Command): Command[] =>
      command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
    expect(leaves(program).length).toBeGreaterThan(0);
    for (const command of leaves(program)) {
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
      expect(help).toContain('Examples:\n  graylane ');
      expect(help).toContain('--json');
    }
  });

  it.each([
    [['polcy'], "graylane: unknown command 'polcy' (Did you mean policy?); run graylane --help\n"],
    [
      ['policy', 'validate', '--jsn', 'x'],
      "graylane: unknown option '--jsn' (Did you mean --json?); run graylane policy validate --help\n",
    ],
    [
      ['policy', 'validate'],
      'graylane: file: missing (expected: graylane policy validate <file...>); run graylane policy validate --help\n',
    ],
    [
      ['weight', 'payments', '25', 'canary'],
      'graylane: percent: canary (expected: 0 to 100, at most two decimals); run graylane weight --help\n',
    ],
    [
      ['weight', 'payments', 'canary', '25', 'stable', '75'],
      'graylane: 5 arguments (expected: graylane weight <service> <subset> <percent>); run graylane weight --help\n',
    ],
    [
      ['override', 'set', 'payments', '--to', 'stable', '-m', 'why', '--ttl', '30 min'],
      'graylane: --ttl: "30 min" (expected: 90s, 30m, 2h or 1d, at most 30d); run graylane override set --help\n',
    ],
    [
      ['override', 'set', 'payments', '--to', 'stable'],
      'graylane: --ttl: missing (expected: --ttl <duration>); run graylane override set --help\n',
    ],
    [['policy', 'list', '--dc'], 'graylane: --dc: missing (expected: --dc <name>); run graylane policy list --help\n'],
    [
      ['watch', 'payments', '--policy', 'kw'],
      'graylane: --policy: kw (expected: one of auto, kv, chain; did you mean kv?); run graylane watch --help\n',
    ],
    [
      ['explain', 'payments', '--label', 'x-gray = canary'],
      'graylane: --label: "x-gray = canary" (expected: key=value, without blanks around =, the key of letters, digits, _ . -); ' +
        'run graylane explain --help\n',
    ],
    [
      ['fleet', 'payments', '--url', 'user:secret@10.0.0.7:9464'],
      'graylane: --url: (not shown) (expected: http://host:port/path or https://host:port/path); run graylane fleet --help\n',
    ],
    [
      ['policy', 'list', '--token', 'secret'],
      'graylane: --token: others would see it on the command line (expected: --token-file FILE, or the variable ' +
        'CONSUL_HTTP_TOKEN); run graylane policy list --help\n',
    ],
    [
      ['apply', 'x.yaml'],
      "graylane: unknown command 'apply' (did you mean graylane policy apply?); run graylane --help\n",
    ],
    [
      ['rollback', 'payments'],
      "graylane: unknown command 'rollback' (did you mean graylane policy rollback, or graylane lists rollback?); run graylane --help\n",
    ],
    [
      ['aply', 'x.yaml'],
      "graylane: unknown command 'aply' (did you mean graylane policy apply?); run graylane --help\n",
    ],
    [
      ['override', 'payments', 'stable'],
      "graylane: unknown command 'payments' (expected: one of set, clear, list); run graylane override --help\n",
    ],
    [
      ['policy', 'validate', 'no-such-file'],
      'graylane: no-such-file: ENOENT (expected: a file that can be read); check its name\n',
    ],
  ])('used wrongly, ends with 2 and one line that says what next: %j', async (args, stderr) => {
    expect(await graylane(args)).toEqual({ code: 2, stdout: '', stderr });
  });

  it.each([
    [['help'], ['--help']],
    [
      ['help', 'weight'],
      ['weight', '--help'],
    ],
    [
      ['help', 'policy', 'apply'],
      ['policy', 'apply', '--help'],
    ],
    [
      ['policy', 'help', 'apply'],
      ['policy', 'apply', '--help'],
    ],
    [
      ['policy', 'help'],
      ['policy', '--help'],
    ],
  ])('shows the help for a word, too: %j', async (args, same) => {
    const shown = await graylane(args);
    expect(shown).toEqual(await graylane(same));
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Usage: graylane/) });
  });

  it('has no colour in a pipe, colour when forced, none under NO_COLOR', async () => {
    const path = file('sound.yaml', SOUND);
    const ansi = '\u001b[';
    expect((await builtGraylane(['policy', 'validate', path])).stdout).not.toContain(ansi);
    const forced = await builtGraylane(['policy', 'validate', path], { env: { FORCE_COLOR: '1' } });
    expect(forced.stdout).toContain(ansi);
    const both = await builtGraylane(['policy', 'validate', path], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } });
    expect(both.stdout).not.toContain(ansi);
  });

  it('reads standard input as -, and prints JSON that holds together with what it ends with', async () => {
    const good = await graylaneJson<{ valid: boolean }[]>(['policy', 'validate', '-'], { input: SOUND });
    expect([good.code, good.json[0]?.valid]).toEqual([0, true]);
    const bad = await graylaneJson<{ valid: boolean }[]>(['policy', 'validate', '-'], { input: 'schema: 2' });
    expect([bad.code, bad.json[0]?.valid]).toEqual([1, false]);
  });

  it('ends quietly when its reader goes away', async () => {
    const child = spawn(process.execPath, [builtCommand, '--help'], {
      env: cleanEnv(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.stdout.destroy();
    const [code] = (await once(child, 'close')) as [number | null];
    expect([code, stderr]).toEqual([0, '']);
  });
});

describe('a terminal that cannot move its cursor', () => {
  it.each([
    ['dumb', false],
    ['xterm-256color', true],
  ])('is not drawn upon: TERM=%s', (TERM, canRedraw) => {
    const stream = { isTTY: true, columns: 80, on() {}, write() {} };
    const of = { env: { TERM }, stdin: {}, stdout: stream, stderr: stream } as unknown as NodeJS.Process;
    expect(createProcessIo(of)).toMatchObject({ isTerminal: true, canRedraw });
  });
});
