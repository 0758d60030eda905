import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { PolicyDocument } from '../../../src/index';
import { freeze } from '../../support/freeze';
import { scriptArgs } from '../../support/script';
import { cleanEnv } from './built-command';

export interface GraylaneSettings {
  /** Of the Graylane client. */
  readonly name: string;
  readonly consul: string;
  readonly token?: string;
  readonly service: string;
  /** Given in code. */
  readonly policy?: PolicyDocument;
  /** Its client lets go of the service after so long without a call; at least 1,000. */
  readonly idleAfterMs?: number;
  /** A Graylane client of this name was used in it before, and is closed. */
  readonly formerly?: string;
  /** Makes one call with this metadata. */
  readonly chargeWith?: Readonly<Record<string, string>>;
}

/** A Graylane client in a process of its own. */
export interface GraylaneProcess {
  /** `host:port`, which serves `/metrics` and what `graylane.adminHandler()` does. */
  readonly host: string;
  readonly url: string;
  /** SIGSTOP: nothing of it answers. */
  freeze(): void;
  thaw(): void;
  kill(): Promise<void>;
}

const FIXTURE = join(__dirname, 'fixtures', 'client-process.ts');

export async function startGraylane(settings: GraylaneSettings): Promise<GraylaneProcess> {
  const child = spawn(process.execPath, scriptArgs(FIXTURE), {
    env: { ...cleanEnv(), CLIENT: JSON.stringify(settings) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const killNow = (): void => void child.kill('SIGKILL');
  process.once('exit', killNow);
  const gone = once(child, 'exit').then(() => process.off('exit', killNow));
  const ended = gone.then(() => {
    throw new Error(`${settings.name} ended before it served`);
  });
  const [port] = (await Promise.race([once(child, 'message'), ended])) as [number];
  ended.catch(() => {});
  const host = `127.0.0.1:${port}`;
  return {
    host,
    url: `http://${host}`,
    freeze: () => freeze(child),
    thaw: () => void child.kill('SIGCONT'),
    kill: async () => {
      killNow();
      await gone;
    },
  };
}
