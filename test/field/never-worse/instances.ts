import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { scriptArgs } from '../../support/script';
import type { Behaviour, Counts, FromInstances, Port, ToInstances } from './service';

/** Instances in a process of their own, which can be frozen and killed as a whole. */
export interface InstancesProcess {
  readonly names: readonly string[];
  /** On free ports unless given. */
  listen(ports?: readonly number[]): Promise<readonly Port[]>;
  /** Resolves when it is in force. All instances unless named. */
  behave(behaviour: Behaviour, names?: readonly string[]): Promise<void>;
  /** The whole process does nothing for so long. */
  stall(ms: number): Promise<void>;
  /** Relayed connections carry nothing from now on, and are not closed. New ones work. */
  forgetConnections(): Promise<void>;
  /** Calls begun since it was asked last. */
  takeCounts(): Promise<Counts>;
  freeze(): void;
  thaw(): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

const FIXTURE = join(__dirname, 'fixtures', 'instances-process.ts');

/** Resolves when the process is loaded and waits to be told where to listen. */
export async function loadInstances(names: readonly string[]): Promise<InstancesProcess> {
  const child = spawn(process.execPath, scriptArgs(FIXTURE), {
    env: { ...process.env, NAMES: names.join(',') },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const killNow = (): void => void child.kill('SIGKILL');
  process.once('exit', killNow);
  const waiting = new Map<number, { resolve(message: Answered): void; reject(error: Error): void }>();
  const gone = once(child, 'exit').then(() => {
    process.off('exit', killNow);
    for (const each of waiting.values()) each.reject(new Error('the process of the instances ended'));
  });
  await new Promise<void>((resolve, reject) => {
    child.on('message', (message: FromInstances) => {
      if ('loaded' in message) {
        resolve();
        return;
      }
      waiting.get(message.id)?.resolve(message);
      waiting.delete(message.id);
    });
    void gone.then(() => reject(new Error('the process of the instances ended before it was loaded')));
  });
  let asked = 0;
  const ask = (message: WithoutId<ToInstances>): Promise<Answered> => {
    asked += 1;
    const id = asked;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      child.send({ ...message, id }, (error) => error !== null && reject(error));
    });
  };
  return {
    names,
    listen: async (ports = []) => (await ask({ listen: ports })).ports ?? [],
    behave: async (behave, which = names) => void (await ask({ behave, names: which })),
    stall: async (stallMs) => void (await ask({ stallMs })),
    forgetConnections: async () => void (await ask({ forget: true })),
    takeCounts: async () => (await ask({ count: true })).counts ?? {},
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    kill: async () => {
      killNow();
      await gone;
    },
  };
}

type Answered = Extract<FromInstances, { readonly id: number }>;
