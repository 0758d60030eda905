import { spawn } from 'node:child_process';
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

/** So many processes, each with clients that call until the test has ended. Resolves when all of them call. */
export async function startCallers(processes: number, settings: Omit<CallerSettings, 'first'>): Promise<Callers> {
  const children = Array.from({ length: processes }, (_, at) => {
    const own: CallerSettings = { ...settings, first: at * settings.clients };
    const child = spawn(process.execPath, scriptArgs(FIXTURE), {
      env: { ...cleanEnv(), CALLER: JSON.stringify(own) },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const killNow = (): void => void child.kill('SIGKILL');
    process.once('exit', killNow);
    onTestFinished(async () => {
      const gone = once(child, 'exit');
      if (child.exitCode === null && child.signalCode === null) {
        killNow();
        await gone;
      }
      process.off('exit', killNow);
    });
    return child;
  });
  await Promise.all(children.map((child) => once(child, 'message')));
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
