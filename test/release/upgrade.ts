import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { sleep } from '../../src/base/sleep';
import { npm } from '../integration/packaging/pack';
import { repository } from '../integration/packaging/repository';
import { startConsul } from '../support/consul/start';
import { startPaymentsServer } from '../support/payments';
import type { LocalRegistry } from './registry';

/** What one caller saw in its life. */
export interface Seen {
  readonly version: string;
  readonly calls: number;
  /** Calls that the wrong subset answered. */
  readonly wrong: number;
  readonly lost: readonly string[];
}

const policy = {
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
  default: 'stable',
  routes: [{ name: 'gray', match: { labels: { 'x-gray': { exact: 'canary' } } }, to: 'canary' }],
};

/** A project in `folder` that has this version of graylane, installed from the registry as a user would. */
export function installProject(folder: string, version: string, registry: LocalRegistry): void {
  cpSync(join(__dirname, 'fixtures'), folder, { recursive: true });
  cpSync(join(repository, 'proto', 'payments.proto'), join(folder, 'payments.proto'));
  const from = ['--userconfig', registry.userConfig, '--registry', registry.url];
  npm(['install', '--no-audit', '--no-fund', ...from, `graylane@${version}`], folder);
}

/**
 * The order that docs/support.md gives: the command first, then the policy, then one process of the SDK after the
 * other, under load. Both versions read the same policy from the same Consul. Returns what the old and the new saw.
 */
export async function upgradeUnderLoad(before: string, after: string): Promise<readonly Seen[]> {
  const consul = await startConsul();
  const { address } = consul.dc('dc1');
  const servers = await Promise.all(['stable', 'canary'].map((version) => startPaymentsServer({ version })));
  const running: ChildProcess[] = [];
  try {
    for (const { version, port } of servers) {
      await consul.dc('dc1').register({ name: 'payments', id: version, address: '127.0.0.1', port, tags: [version] });
    }
    const apply = async (project: string, change: object, message: string): Promise<void> => {
      const file = join(project, 'payments.json');
      writeFileSync(file, JSON.stringify({ ...policy, ...change }));
      await graylane(project, ['policy', 'apply', file, '-m', message, '--consul', address]);
    };
    await apply(before, {}, 'written by the version before');
    const old = startCaller(before, address);
    running.push(old);
    await once(old.stdout, 'data');

    await apply(after, { timeoutMs: 5_000 }, 'written by the new version');
    const history = await graylane(after, ['policy', 'log', 'payments', '--consul', address]);
    for (const message of ['written by the version before', 'written by the new version']) {
      if (!history.includes(message)) throw new Error(`policy log: ${history} (expected: ${message})`);
    }
    const young = startCaller(after, address);
    running.push(young);
    await once(young.stdout, 'data');
    await sleep(3_000);
    const seenByOld = await end(old);
    await sleep(2_000);
    await graylane(after, ['policy', 'rollback', 'payments', '--consul', address]);
    await sleep(1_000);
    return [seenByOld, await end(young)];
  } finally {
    for (const child of running) if (child.exitCode === null) child.kill('SIGKILL');
    for (const server of servers) server.kill();
    await consul.stop();
  }
}

/** Not synchronously: the servers that are called meanwhile live in this process. */
async function graylane(project: string, args: readonly string[]): Promise<string> {
  const command = join(project, 'node_modules', '.bin', 'graylane');
  return (await promisify(execFile)(command, args, { cwd: project, timeout: 60_000 })).stdout;
}

function startCaller(project: string, address: string): ChildProcess & { readonly stdout: NodeJS.ReadableStream } {
  const args = [join(project, 'caller.cjs'), address];
  return spawn(process.execPath, args, { cwd: project, stdio: ['ignore', 'pipe', 'inherit'] });
}

async function end(caller: ChildProcess): Promise<Seen> {
  let last = '';
  createInterface({ input: caller.stdout as NodeJS.ReadableStream }).on('line', (line) => (last = line));
  const exited = once(caller, 'close');
  caller.kill('SIGTERM');
  await exited;
  return JSON.parse(last) as Seen;
}
