import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freeze } from './freeze';
import type { Behaviour } from './payments';
import { scriptArgs } from './script';

/** What goes over the wire between a test and the process that serves it. */
export type ToServers =
  | { readonly behave: readonly string[]; readonly behaviour: Behaviour | undefined; readonly id: number }
  | { readonly count: number };
export type FromServers =
  | { readonly ports: readonly number[] }
  | { readonly counted: number; readonly calls: readonly number[] };

export interface ServerProcessOptions {
  /** One instance for each, on a port of its own. */
  readonly names: readonly string[];
  readonly version?: string;
  /** Of one instance only; 0, the default, is a free one. */
  readonly port?: number;
  /** Length of the kernel's queue of connections that were not accepted. */
  readonly backlog?: number;
  /** Each instance has a health service, which says SERVING. Default: none has. */
  readonly health?: boolean;
}

export interface ServedInstance {
  readonly name: string;
  readonly version: string;
  readonly host: string;
  readonly port: number;
}

/** Payments servers in a process of their own, which can be frozen and killed as a whole. */
export interface ServerProcess {
  readonly instances: readonly ServedInstance[];
  /** What unary calls do instead of answering; resolves when it is in force. All instances unless named. */
  behave(behaviour: Behaviour | undefined, names?: readonly string[]): Promise<void>;
  /** Calls begun so far, in the order of the instances. */
  calls(): Promise<readonly number[]>;
  freeze(): void;
  thaw(): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

const FIXTURE = join(__dirname, '..', 'faults', 'fixtures', 'payments-process.ts');

export async function startServerProcess(options: ServerProcessOptions): Promise<ServerProcess> {
  const { names, version = 'stable', port = 0, backlog = 0, health = false } = options;
  const child = spawn(process.execPath, scriptArgs(FIXTURE), {
    env: {
      ...process.env,
      NAMES: names.join(','),
      VERSION: version,
      PORT: String(port),
      BACKLOG: String(backlog),
      HEALTH: health ? '1' : '',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const killNow = (): void => void child.kill('SIGKILL');
  process.once('exit', killNow);
  const gone = once(child, 'exit').then(() => process.off('exit', killNow));
  const waiting = new Map<number, (calls: readonly number[]) => void>();
  let asked = 0;
  const ports = await new Promise<readonly number[]>((resolve, reject) => {
    child.on('message', (message: FromServers) => {
      if ('ports' in message) resolve(message.ports);
      else waiting.get(message.counted)?.(message.calls);
    });
    void gone.then(() => reject(new Error('the server process ended before it served')));
  });
  const ask = (message: (id: number) => ToServers): Promise<readonly number[]> => {
    asked += 1;
    const id = asked;
    return new Promise((resolve) => {
      waiting.set(id, (calls) => {
        waiting.delete(id);
        resolve(calls);
      });
      child.send(message(id));
    });
  };
  return {
    instances: names.map((name, index) => ({ name, version, host: '127.0.0.1', port: ports[index] ?? 0 })),
    behave: async (behaviour, which = names) => {
      await ask((id) => ({ behave: which, behaviour, id }));
    },
    calls: () => ask((id) => ({ count: id })),
    freeze: () => freeze(child),
    thaw: () => void child.kill('SIGCONT'),
    kill: async () => {
      killNow();
      await gone;
    },
  };
}
