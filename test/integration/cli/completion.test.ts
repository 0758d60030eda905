import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtCommand, cleanEnv, graylane, graylaneJson } from './built-command';
import { commandWorld } from './two-datacenters';

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

const run = promisify(execFile);
const world = commandWorld({ datacenters: ['dc1'] });

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
    const wrapper = `#!/bin/sh\nexec "${process.execPath}" "${builtCommand}" "$@"\n`;
    writeFileSync(join(folder, 'graylane'), wrapper, { mode: 0o755 });
    for (const name of ['payments', 'orders']) await world.consul.dc('dc1').register({ name, id: name, port: 9001 });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** The scripts ask `graylane`. */
  const here = (): { readonly PATH: string } => ({ PATH: `${folder}${delimiter}${process.env['PATH']}` });
  const complete = {
    async bash(words: readonly string[], env = {}): Promise<readonly string[]> {
      const script = `source "$1"; shift; COMP_WORDS=(graylane "$@"); COMP_CWORD=$#; COMP_LINE="graylane $*"
        COMP_POINT=\${#COMP_LINE}; _graylane; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const args = ['--norc', '-c', script, 'bash', scripts.get('bash') ?? '', ...words];
      return (await run('bash', args, { env: { ...cleanEnv(), ...here(), ...env } })).stdout.split('\n');
    },
    async fish(words: readonly string[], env = {}): Promise<readonly string[]> {
      const line = ['graylane', ...words].join(' ');
      const script = `source ${scripts.get('fish')}; complete -C '${line}'`;
      const { stdout } = await run('fish', ['--no-config', '-c', script], {
        env: { ...cleanEnv(), ...here(), ...env },
      });
      return stdout.split('\n').map((reply) => reply.split('\t')[0] ?? '');
    },
    async zsh(words: readonly string[], env = {}): Promise<readonly string[]> {
      // What would be offered, by the names that the script hands over.
      const script = `_describe() { print -l -- "\${(@P)2}" }; _files() {}; compdef() {}; source "$1"; shift
        words=(graylane "$@"); CURRENT=$#words; PREFIX=$words[-1]; _graylane`;
      const args = ['-f', '-c', script, 'zsh', scripts.get('zsh') ?? '', ...words];
      const { stdout } = await run('zsh', args, { env: { ...cleanEnv(), ...here(), ...env } });
      const all = stdout.split('\n').map((reply) => reply.split(':')[0] ?? '');
      return all.filter((reply) => reply.startsWith(words.at(-1) ?? ''));
    },
  };

  describe.each(['bash', 'zsh', 'fish'] as const)('%s', (shell) => {
    const isThere = spawnSync(shell, ['-c', 'true']).status === 0;

    it.skipIf(!isThere).each(TYPED)('%j', async (words, offered, missing) => {
      const found = await complete[shell](words);
      expect(found).toEqual(expect.arrayContaining([...offered]));
      expect(found.filter((reply) => missing.includes(reply))).toEqual([]);
    });

    it.skipIf(!isThere)('names of services, from the Consul that the line names', async () => {
      const { address } = world.consul.dc('dc1');
      const cases: readonly (readonly [words: readonly string[], names: readonly string[]])[] = [
        [
          ['policy', 'get', ''],
          ['orders', 'payments'],
        ],
        [['explain', '--method', '/a.B/C', 'pay'], ['payments']],
        [['weight', 'payments', ''], []],
        [['override', 'set', 'payments', 'o'], ['orders']],
      ];
      const names = async (words: readonly string[], env: object): Promise<readonly string[]> => {
        const found = await complete[shell](words, env);
        return found.filter((reply) => ['orders', 'payments', 'consul'].includes(reply)).sort();
      };
      for (const [words, expected] of cases) {
        expect(await names(words, { CONSUL_HTTP_ADDR: address }), words.join(' ')).toEqual(expected);
      }
      const named = ['policy', 'get', '--consul', address, 'p'];
      expect(await names(named, { CONSUL_HTTP_ADDR: '127.0.0.1:1' })).toEqual(['payments']);
    });
  });

  it('is silent, and does not wait, where Consul does not answer', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = silent.address() as AddressInfo;
      for (const address of ['127.0.0.1:1', `127.0.0.1:${port}`, 'not an address']) {
        const atMs = performance.now();
        const asked = ['completion', 'bash', '--services', '--', 'graylane', 'policy', 'get', '--consul', address, ''];
        expect(await graylane(asked)).toEqual({ code: 0, stdout: '', stderr: '' });
        // Any other command would wait for ten seconds.
        expect(performance.now() - atMs).toBeLessThan(8_000);
      }
    } finally {
      silent.close();
    }
  });

  it('refuses a shell that it does not know, and gives the script as data', async () => {
    const wrong = await graylane(['completion', 'tcsh']);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('bash, zsh, fish')]);
    const { json } = await graylaneJson<{ shell: string; script: string }>(['completion', 'bash']);
    expect(json).toMatchObject({ shell: 'bash', script: expect.stringContaining('complete -o default') });
  });
});
