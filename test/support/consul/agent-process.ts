import { type ChildProcess, spawn } from 'node:child_process';
import { freeze } from '../freeze';

/** One running Consul process. Only ever signalled through its own handle. */
export interface AgentProcess {
  readonly pid: number;
  signal(name: 'SIGKILL' | 'SIGCONT' | 'SIGTERM'): void;
  /** SIGSTOP; returns when it runs no more. */
  freeze(): void;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  readonly isRunning: boolean;
  /** The last of what it wrote, for the message of a failure. */
  output(): string;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export function spawnAgent(binary: string, args: readonly string[]): AgentProcess {
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const { pid } = child;
  running.add(child);
  let tail = '';
  const keep = (chunk: Buffer): void => {
    tail = (tail + chunk.toString()).slice(-4000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ended = new Promise<void>((resolve) => {
    const done = (): void => {
      running.delete(child);
      resolve();
    };
    child.once('exit', done);
    child.once('error', (error) => {
      tail += error.message;
      done();
    });
  });
  return {
    pid: pid ?? -1,
    ended,
    signal: (name) => void child.kill(name),
    freeze: () => freeze(child),
    get isRunning() {
      return running.has(child);
    },
    output: () => tail,
  };
}
