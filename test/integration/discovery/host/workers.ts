import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { scriptArgs } from '../../../support/script';

export interface WorkerSettings {
  readonly address: string;
  readonly stateDirectory: string;
  readonly datacenters: readonly string[];
  readonly services: readonly string[];
  /** To the service `payments`; 0: none. */
  readonly callsPerSecond: number;
}

export type FromWorker =
  | {
      readonly kind: 'role';
      readonly client: 'watches' | 'calls';
      readonly role: 'holder' | 'follower';
      readonly atMs: number;
    }
  | { readonly kind: 'warning'; readonly text: string }
  | {
      readonly kind: 'seen';
      readonly service: string;
      readonly ids: readonly string[];
      /** Milliseconds since the epoch, with fractions. */
      readonly atMs: number;
      /** Each service is known in each datacenter. */
      readonly isReady: boolean;
    }
  | { readonly kind: 'calls'; readonly count: number; readonly lost: readonly string[] };

/** A process of its own. */
export interface Worker {
  readonly pid: number;
  /** One of its two clients asks Consul for all; since when, milliseconds since the epoch. */
  readonly isHolder: boolean;
  readonly holderSinceMs: number;
  readonly isReady: boolean;
  readonly warnings: readonly string[];
  /** When it first saw this instance since the last `forget()`; undefined: not yet. */
  sawAtMs(id: string): number | undefined;
  calls(): Promise<{ readonly count: number; readonly lost: readonly string[] }>;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const FIXTURE = join(__dirname, 'fixtures', 'worker-process.ts');

export function startWorker(settings: WorkerSettings): Worker {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(CONSUL|GRAYLANE|XDG)_/.test(name)));
  const child: ChildProcess = spawn(process.execPath, scriptArgs(FIXTURE), {
    env: { ...env, WORKER: JSON.stringify(settings) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  running.add(child);
  const gone = once(child, 'exit').then(() => running.delete(child));
  const seen = new Map<string, number>();
  const warnings: string[] = [];
  const roles = new Map<string, string>();
  let holderSinceMs = 0;
  let isReady = false;
  let counted: (told: { count: number; lost: readonly string[] }) => void = () => {};
  child.on('message', (message: FromWorker) => {
    if (message.kind === 'role') {
      roles.set(message.client, message.role);
      if (message.role === 'holder') holderSinceMs = message.atMs;
    } else if (message.kind === 'warning') warnings.push(message.text);
    else if (message.kind === 'calls') counted(message);
    else {
      isReady ||= message.isReady;
      for (const id of message.ids) if (!seen.has(id)) seen.set(id, message.atMs);
    }
  });
  return {
    pid: child.pid ?? 0,
    get isHolder() {
      return [...roles.values()].includes('holder');
    },
    get holderSinceMs() {
      return holderSinceMs;
    },
    get isReady() {
      return isReady;
    },
    warnings,
    sawAtMs: (id) => seen.get(id),
    calls: () =>
      new Promise((resolve) => {
        counted = resolve;
        child.send({});
      }),
    signal: (name) => void child.kill(name),
    async kill() {
      child.kill('SIGKILL');
      child.kill('SIGCONT');
      await gone;
    },
  };
}
