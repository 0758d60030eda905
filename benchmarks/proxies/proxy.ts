import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';

/** Where calls go, and how often. */
export interface Upstream {
  readonly address: string;
  readonly weight: number;
}

/** A proxy that runs, in the foreground, as a process of ours. */
export interface RunningProxy {
  readonly name: string;
  readonly version: string;
  readonly address: string;
  /** Processor time so far of the process and its children. */
  cpuUs(): number;
  stop(): Promise<void>;
}

/** Undefined: it is not on this machine. `directory` is for its files. */
export type StartProxy = (upstreams: readonly Upstream[], directory: string) => Promise<RunningProxy | undefined>;

/** The path of a program, or undefined. */
export function find(program: string): string | undefined {
  try {
    return execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8', env: withSbin() }).trim();
  } catch {
    return undefined;
  }
}

export function versionOf(program: string, flag: string): string {
  const both = execFileSync('sh', ['-c', `"${program}" ${flag} 2>&1`], { encoding: 'utf8' });
  return /[0-9]+\.[0-9]+\.[0-9]+/.exec(both)?.[0] ?? 'unknown';
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { readonly port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Starts the program and waits until it accepts connections. */
export async function run(
  name: string,
  version: string,
  port: number,
  program: string,
  args: readonly string[],
): Promise<RunningProxy> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-2_000);
  });
  const killNow = (): void => void child.kill('SIGTERM');
  process.once('exit', killNow);
  const gone = once(child, 'exit').then(() => process.off('exit', killNow));
  const until = performance.now() + 15_000;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > until) {
      killNow();
      throw new Error(`${name} does not accept connections: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    name,
    version,
    address: `127.0.0.1:${port}`,
    cpuUs: () => family(child).reduce((sum, pid) => sum + cpuUsOf(pid), 0),
    async stop() {
      killNow();
      await gone;
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function family({ pid = -1 }: ChildProcess): readonly number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return [pid, ...children.split(' ').filter(Boolean).map(Number)];
  } catch {
    return [pid];
  }
}

/** Nanoseconds on a processor, of every thread: /proc/[pid]/stat counts in ticks of 10 ms. */
function cpuUsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1_000)
      .reduce((sum, each) => sum + each, 0);
  } catch {
    return 0;
  }
}

function withSbin(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` };
}
