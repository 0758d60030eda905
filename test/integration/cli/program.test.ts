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
    [['policy', 'validate'], "graylane: missing required argument 'file'; run graylane policy validate --help\n"],
    [
      ['policy', 'validate', 'no-such-file'],
      'graylane: no-such-file: ENOENT (expected: a file that can be read); check its name\n',
    ],
  ])('used wrongly, ends with 2 and one line that says what next: %j', async (args, stderr) => {
    expect(await graylane(args)).toEqual({ code: 2, stdout: '', stderr });
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
