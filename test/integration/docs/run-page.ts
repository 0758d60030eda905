import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { createConsulApi } from '../../support/consul/http-api';
import { GRAY_WITH_FALLBACK } from '../../support/gray-policy';
import { builtCommand, cleanEnv } from '../cli/built-command';
import { type Fence, fencesOf, readPage, root } from './fences';
import type { FromReader, ToReader } from './reader/main';

/** Runs pages as they stand: the process of their code, and the Consul that they find. */
export interface Reader {
  readonly consul: string;
  /** What went wrong, block by block; empty: the page runs. */
  read(page: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface RunBlock extends Fence {
  /** From the marker that stands before the block, which no reader sees: why it cannot be run. */
  readonly notRun: string | undefined;
}

const RUN = new Set(['ts', 'js', 'sh', 'yaml', 'json']);
const MARKER = /^<!-- not run: (.+) -->$/;
const LIMIT_MS = 30_000;
/** Characters of what a block said that are shown where it failed. */
const SHOWN = 2_000;

export function blocksOf(page: string): readonly RunBlock[] {
  const lines = readPage(page).split('\n');
  return fencesOf(page)
    .filter(({ language }) => RUN.has(language))
    .map((fence) => {
      const at = Number(fence.where.slice(fence.where.lastIndexOf(':') + 1));
      // The fence is line `at`, and the marker stands before it, with or without an empty line between.
      const before = [lines[at - 2], lines[at - 3]].find((line) => line !== undefined && line !== '');
      return { ...fence, notRun: MARKER.exec(before ?? '')?.[1] };
    });
}

export function openReader(consul: string): Reader {
  const { hostname, port } = new URL(consul);
  const env = {
    ...cleanEnv(),
    CONSUL_HTTP_ADDR: consul,
    GRAYLANE_LIBRARY: join(root, 'dist', 'index.js'),
    GRAYLANE_READER: JSON.stringify({ 8500: { host: hostname, port: Number(port) } }),
    NODE_OPTIONS: `--require ${join(__dirname, 'reader', 'network.cjs')}`,
  };
  const child = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'reader', 'main.ts')], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output = (output + String(chunk)).slice(-SHOWN);
    });
  }
  const tell = async (message: ToReader): Promise<string | undefined> => {
    child.send(message);
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), LIMIT_MS);
    try {
      const [answer] = (await Promise.race([
        once(child, 'message', { signal: limit.signal }),
        once(child, 'exit', { signal: limit.signal }).then(() => [{ error: `the process ended:\n${output}` }]),
      ])) as [FromReader];
      return answer.error;
    } catch {
      return `no end within ${LIMIT_MS} ms:\n${output}`;
    } finally {
      clearTimeout(timer);
      limit.abort();
    }
  };
  return {
    consul,
    read: (page) => readBlocks(page, consul, env, tell),
    close: async () => {
      // Servers of the pages are still open in it.
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}

async function readBlocks(
  page: string,
  consul: string,
  env: Readonly<Record<string, string>>,
  tell: (message: ToReader) => Promise<string | undefined>,
): Promise<readonly string[]> {
  await mkdir(join(root, '.cache'), { recursive: true });
  const folder = await mkdtemp(join(root, '.cache', 'page-'));
  const problems: string[] = [];
  const note = (where: string, problem: string | undefined): void => {
    if (problem !== undefined) problems.push(`${where}: ${problem}`);
  };
  try {
    await furnish(folder);
    note(page, await tell({ folder }));
    const path = `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`;
    for (const [index, { language, text, where, notRun }] of blocksOf(page).entries()) {
      if (notRun !== undefined) continue;
      if (language === 'ts' || language === 'js') {
        const file = join(folder, `block-${index}.mts`);
        await writeFile(file, `${text}\n${exportsOf(text)}`);
        note(where, await tell({ file, isCalling: /\b(chargeAndNotify|client|explain)\b(?! = )/.test(text) }));
      } else if (language === 'sh') {
        for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
          note(`${where}: ${line}`, await runLine(line, folder, { ...env, PATH: path }));
        }
      } else await keep(text, language, folder, consul);
    }
    return problems;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Later blocks go on with what this one opened. */
function exportsOf(text: string): string {
  const names = ['graylane', 'client'].filter((name) => new RegExp(`^const ${name} = `, 'm').test(text));
  const callback = /\bcallback\b/.test(text) ? 'export const awaitsCallback = true;\n' : '';
  return `${callback}${names.length === 0 ? 'export {};' : `export { ${names.join(', ')} };`}\n`;
}

/** As typed. What goes on until it is interrupted is interrupted once it has said something. */
async function runLine(line: string, cwd: string, env: Record<string, string>): Promise<string | undefined> {
  // Its packages are links to those of this repository.
  if (/npm (ci|install|i) /.test(line)) return 'installs packages (expected: a marker before the block)';
  const goesOn = /rollout run(?!.*--once)|--watch|graylane top/.test(line);
  const child = spawn('sh', ['-c', goesOn ? `exec ${line}` : line], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      if (goesOn && output === '') child.kill('SIGINT');
      output += String(chunk);
    });
  }
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(limit);
  const expected = Number(/# ends with (\d)/.exec(line)?.[1] ?? 0);
  return code === expected ? undefined : `ended with ${code}\n${output.slice(0, SHOWN)}`;
}

/** A document of the page is the file that the commands below it name; a policy is in force as well. */
async function keep(text: string, language: string, folder: string, consul: string): Promise<void> {
  const named = /^# ([\w.-]+\.ya?ml)/.exec(text)?.[1];
  const value: unknown = language === 'json' ? JSON.parse(text) : parseYaml(text);
  const document = value as Readonly<Record<string, unknown>>;
  const isPolicy = document['schema'] === 1 && named === undefined;
  const name = named ?? (isPolicy ? 'payments.yaml' : 'cases' in document ? 'cases.yaml' : undefined);
  if (name !== undefined) await writeFile(join(folder, name), text);
  else if (Array.isArray(document['payments'])) await writeFile(join(folder, 'instances.yaml'), text);
  if (!isPolicy) return;
  await createConsulApi(consul, undefined).putKv('graylane/policies/payments', JSON.stringify(document));
}

/** What readers have beside a page: the command, and files that pages name without showing them. */
async function furnish(folder: string): Promise<void> {
  const policy = (weight: number): string =>
    JSON.stringify({
      ...GRAY_WITH_FALLBACK,
      routes: [
        { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
        {
          name: 'everyone',
          split: [
            { to: 'stable', weight: 100 - weight },
            { to: 'canary', weight },
          ],
          stickBy: 'x-user-id',
        },
      ],
    });
  const instances = { payments: [{ address: '10.0.0.1', port: 9000, tags: ['stable'] }] };
  const call = { method: '/shop.v1.Payments/Charge', labels: { 'x-user-id': 'u-1' } };
  for (const name of ['bin', 'policies']) await mkdir(join(folder, name));
  const files: Record<string, string> = {
    'package.json': JSON.stringify({ private: true, dependencies: { graylane: '*', '@grpc/grpc-js': '*' } }),
    'payments.yaml': policy(5),
    'now.yaml': policy(5),
    'next.yaml': policy(25),
    'policies/payments.yaml': policy(25),
    'instances.yaml': JSON.stringify(instances),
    'calls.ndjson': `${JSON.stringify(call)}\n`,
    'bin/graylane': `#!/bin/sh\nexec "${process.execPath}" "${builtCommand}" "$@"\n`,
    'bin/npx': '#!/bin/sh\nexec "$@"\n',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  for (const name of ['graylane', 'npx']) await chmod(join(folder, 'bin', name), 0o755);
  await copyFile(join(root, 'examples', 'migrating-istio', 'istio.yaml'), join(folder, 'istio.yaml'));
  await copyFile(join(root, 'proto', 'payments.proto'), join(folder, 'payments.proto'));
  await mkdir(join(folder, 'node_modules', '@grpc'), { recursive: true });
  await symlink(root, join(folder, 'node_modules', 'graylane'));
  await symlink(join(root, 'node_modules', '@grpc', 'grpc-js'), join(folder, 'node_modules', '@grpc', 'grpc-js'));
}
