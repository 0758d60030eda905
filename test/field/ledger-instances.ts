import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scriptArgs } from '../support/script';

export interface LedgerSettings {
  /** Time from the count to the answer. */
  readonly workMs: number;
  /** Answer UNAVAILABLE. */
  readonly fails?: boolean;
}

/** Where an instance lives: the address that it serves at, and what its command begins with to get there. */
export interface Door {
  readonly address: string;
  readonly prefix: readonly string[];
}

const LOOPBACK: Door = { address: '127.0.0.1', prefix: [] };

/** Instances of the ledger, each a process of its own that can be killed and started again on its port. */
export interface LedgerInstances {
  readonly ports: readonly number[];
  /** SIGKILL, then a new process on the same port; resolves when that one listens. */
  kill(index: number): Promise<void>;
  /** The same with SIGTERM: it ends its calls first. */
  restart(index: number): Promise<void>;
  /** How often each call was begun, by its ID. */
  executions(): ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

const FIXTURE = join(__dirname, 'fixtures', 'ledger-process.ts');

/** `doors`: of the first instances; the others live on loopback. */
export async function startLedgerInstances(
  count: number,
  settings: LedgerSettings,
  doors: readonly Door[] = [],
): Promise<LedgerInstances> {
  const folder = mkdtempSync(join(tmpdir(), 'graylane-ledger-'));
  const file = join(folder, 'executions');
  // Appended lines of so few bytes are written whole, whoever else writes.
  const counts = openSync(file, 'a');
  const running: Instance[] = [];
  const start = (index: number, port: number) => startInstance(counts, settings, port, doors[index] ?? LOOPBACK);
  for (let index = 0; index < count; index += 1) running.push(await start(index, 0));
  const replace = async (index: number, signal: NodeJS.Signals): Promise<void> => {
    const instance = running[index] as Instance;
    await instance.end(signal);
    running[index] = await start(index, instance.port);
  };
  return {
    ports: running.map(({ port }) => port),
    kill: (index) => replace(index, 'SIGKILL'),
    restart: (index) => replace(index, 'SIGTERM'),
    executions: () => {
      const byId = new Map<string, number>();
      for (const id of readFileSync(file, 'utf8').split('\n')) if (id !== '') byId.set(id, (byId.get(id) ?? 0) + 1);
      return byId;
    },
    stop: async () => {
      await Promise.all(running.map((instance) => instance.end('SIGKILL')));
      closeSync(counts);
      rmSync(folder, { recursive: true });
    },
  };
}

interface Instance {
  readonly port: number;
  end(signal: NodeJS.Signals): Promise<void>;
}

async function startInstance(counts: number, settings: LedgerSettings, port: number, door: Door): Promise<Instance> {
  const [command, ...args] = [...door.prefix, process.execPath, ...scriptArgs(FIXTURE)] as [string, ...string[]];
  const child: ChildProcess = spawn(command, args, {
    env: {
      ...process.env,
      HOST: door.address,
      PORT: String(port),
      WORK_MS: String(settings.workMs),
      FAILS: String(settings.fails ?? false),
    },
    stdio: ['ignore', 'inherit', 'inherit', counts, 'ipc'],
  });
  const killNow = (): void => void child.kill('SIGKILL');
  process.once('exit', killNow);
  const gone = once(child, 'exit').then(() => process.off('exit', killNow));
  const listening = await Promise.race([once(child, 'message'), gone]);
  const told = Array.isArray(listening) ? (listening[0] as { readonly port: number }) : undefined;
  if (told === undefined) throw new Error('the ledger ended before it listened');
  return {
    port: told.port,
    end: async (signal) => {
      child.kill(signal);
      await gone;
    },
  };
}
