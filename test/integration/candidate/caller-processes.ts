import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { scriptArgs } from '../../support/script';
import { cleanEnv } from '../cli/built-command';

export interface CallerSettings {
  /** Address of the agent. */
  readonly consul: string;
  readonly service: string;
  /** Graylane clients in the process. */
  readonly clients: number;
  /** Different sticky callers, which all clients share. */
  readonly users: number;
  /** Calls of each client. */
  readonly perSecond: number;
  /** Number of its first client among those of all processes. */
  readonly first: number;
}

/** What one client saw since it was last asked. */
export interface SeenByClient {
  calls: number;
  failures: number;
  /** Calls by the subset that was decided. */
  readonly subsets: unknown;
  readonly revisions: unknown;
}

export interface FromCaller {
  readonly seen: readonly {
    readonly calls: number;
    readonly failures: number;
    readonly subsets: Readonly<Record<string, number>>;
    readonly revisions: readonly string[];
  }[];
  readonly subsetOfUser: Readonly<Record<string, string>>;
}

export interface Callers {
  /** What all clients saw since the last time. */
  look(): Promise<FromCaller>;
}

const FIXTURE = join(__dirname, 'fixtures', 'caller-process.ts');

const AT_ONCE = 4;

async function startCaller(settings: CallerSettings): Promise<ChildProcess> {
  const child = spawn(process.execPath, scriptArgs(FIXTURE), {
    env: { ...cleanEnv(), CALLER: JSON.stringify(settings) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const gone = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  const ended = gone.then(() => {
    throw new Error('a process of callers ended before it called');
  });
  await Promise.race([once(child, 'message'), ended]);
  ended.catch(() => {});
  return child;
}

/** So many processes, each with clients that call until the test has ended. Resolves when all of them call. */
export async function startCallers(processes: number, settings: Omit<CallerSettings, 'first'>): Promise<Callers> {
  const children: ChildProcess[] = [];
  // A few at a time: each takes a processor for a while to start.
  for (let at = 0; at < processes; at += AT_ONCE) {
    const firsts = Array.from({ length: Math.min(AT_ONCE, processes - at) }, (_, more) => at + more);
    children.push(
      ...(await Promise.all(firsts.map((first) => startCaller({ ...settings, first: first * settings.clients })))),
    );
  }
  return {
    async look() {
      const all = await Promise.all(
        children.map(async (child) => {
          const answer = once(child, 'message');
          child.send('look');
          const [message] = (await answer) as [FromCaller];
          return message;
        }),
      );
      return {
        seen: all.flatMap(({ seen }) => seen),
        subsetOfUser: Object.assign({}, ...all.map(({ subsetOfUser }) => subsetOfUser)),
      };
    },
  };
}
