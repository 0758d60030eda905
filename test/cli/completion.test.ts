import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { graylane, graylaneJson } from './built-command';

/** What is typed, and some of what must be offered for its last word; none of the others. */
const TYPED: readonly (readonly [words: readonly string[], offered: readonly string[], missing: readonly string[]])[] =
  [
    [['po'], ['policy'], ['override']],
    [['policy', ''], ['apply', 'rollback'], ['set']],
    [['policy', 'ap'], ['apply'], ['delete']],
    [['policy', 'apply', '--dry'], ['--dry-run'], ['--json']],
    [['policy', 'apply', '--dry-run', '--ma'], ['--max-load-factor'], []],
    [['override', 's'], ['set'], ['clear']],
    [['completion', ''], ['bash', 'zsh', 'fish'], ['apply']],
    [['simulate', '--policy', ''], ['auto', 'kv', 'chain'], ['policy']],
  ];

describe('graylane completion', () => {
  let folder: string;
  const scripts = new Map<string, string>();
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'graylane-completion-'));
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { code, stdout } = await graylane(['completion', shell]);
      expect(code).toBe(0);
      scripts.set(shell, join(folder, `${shell}-script`));
      writeFileSync(join(folder, `${shell}-script`), stdout);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(TYPED)('bash: %j', (words, offered, missing) => {
    const script = `source "$1"; shift; COMP_WORDS=(graylane "$@"); COMP_CWORD=$#; _graylane; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const args = ['--norc', '-c', script, 'bash', scripts.get('bash') ?? '', ...words];
    const replies = execFileSync('bash', args, { encoding: 'utf8' }).split('\n');
    expect(replies).toEqual(expect.arrayContaining([...offered]));
    expect(replies.filter((reply) => missing.includes(reply))).toEqual([]);
  });

  const isThere = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

  it.skipIf(!isThere('fish')).each(TYPED)('fish: %j', (words, offered, missing) => {
    const line = ['graylane', ...words].join(' ');
    const script = `source ${scripts.get('fish')}; complete -C '${line}'`;
    const replies = execFileSync('fish', ['--no-config', '-c', script], { encoding: 'utf8' });
    const found = replies.split('\n').map((reply) => reply.split('\t')[0]);
    expect(found).toEqual(expect.arrayContaining([...offered]));
    expect(found.filter((reply) => missing.includes(`${reply}`))).toEqual([]);
  });

  it.skipIf(!isThere('zsh')).each(TYPED)('zsh: %j', (words, offered, missing) => {
    // What would be offered, by the names that the script hands over.
    const script = `_describe() { print -l -- "\${(@P)2}" }; _files() {}; compdef() {}; source "$1"; shift
      words=(graylane "$@"); CURRENT=$#words; PREFIX=$words[-1]; _graylane`;
    const args = ['-f', '-c', script, 'zsh', scripts.get('zsh') ?? '', ...words];
    const all = execFileSync('zsh', args, { encoding: 'utf8' })
      .split('\n')
      .map((reply) => reply.split(':')[0] ?? '');
    const found = all.filter((reply) => reply.startsWith(words.at(-1) ?? ''));
    expect(found).toEqual(expect.arrayContaining([...offered]));
    expect(found.filter((reply) => missing.includes(reply))).toEqual([]);
  });

  it('refuses a shell that it does not know, and gives the script as data', async () => {
    const wrong = await graylane(['completion', 'tcsh']);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('bash, zsh, fish')]);
    const { json } = await graylaneJson<{ shell: string; script: string }>(['completion', 'bash']);
    expect(json).toMatchObject({ shell: 'bash', script: expect.stringContaining('complete -o default') });
  });
});
