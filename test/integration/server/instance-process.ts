import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { scriptArgs } from '../../support/script';

export interface InstanceSettings {
  readonly name: string;
  /** Address of the agent. */
  readonly consul: string;
  readonly port: number;
  readonly delayMs: number;
  readonly settleMs: number;
  readonly graceMs: number;
}

export type FromInstance =
  | { readonly kind: 'registered'; readonly port: number }
  | { readonly kind: 'stopped'; readonly calls: readonly number[] };

/** A server in a process of its own that registers itself and leaves on SIGTERM. */
export interface InstanceProcess {
  readonly name: string;
  readonly port: number;
  /** SIGTERM; resolves when the process has ended by itself. */
  terminate(): Promise<InstanceEnd>;
  /** SIGTERM and nothing more. */
  signal(): void;
  kill(): Promise<void>;
}

export interface InstanceEnd {
  readonly code: number | null;
  /** When each call began at it, ms after SIGTERM. */
  readonly calls: readonly number[];
  /** From SIGTERM, ms. */
  readonly tookMs: number;
}

const FIXTURE = join(__dirname, 'fixtures', 'registered-process.ts');

export async function startInstance(
  settings: Pick<InstanceSettings, 'name' | 'consul'> & Partial<InstanceSettings>,
): Promise<InstanceProcess> {
  const all: InstanceSettings = { port: 0, delayMs: 0, settleMs: 500, graceMs: 5_000, ...settings };
  const child = spawn(process.execPath, scriptArgs(FIXTURE), {
    env: { ...process.env, INSTANCE: JSON.stringify(all) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const killNow = (): void => void child.kill('SIGKILL');
  process.once('exit', killNow);
  const gone = once(child, 'exit').then(([code]) => {
    process.off('exit', killNow);
    return { code: code as number | null, atMs: performance.now() };
  });
  let last: Extract<FromInstance, { kind: 'stopped' }> | undefined;
  const port = await new Promise<number>((resolve, reject) => {
    child.on('message', (message: FromInstance) => {
      if (message.kind === 'registered') resolve(message.port);
      else last = message;
    });
    void gone.then(() => reject(new Error(`${all.name} ended before it was registered`)));
  });
  return {
    name: all.name,
    port,
    signal: () => void child.kill('SIGTERM'),
    terminate: async () => {
      const signalledAtMs = performance.now();
      child.kill('SIGTERM');
      const { code, atMs } = await gone;
      return { code, calls: last?.calls ?? [], tookMs: atMs - signalledAtMs };
    },
    kill: async () => {
      killNow();
      await gone;
    },
  };
}
