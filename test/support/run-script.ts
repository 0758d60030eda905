import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { scriptArgs } from './script';

/** What a script that ran in a Node process of its own left behind. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a TypeScript file to its end. One that has not ended by `limitMs` is killed, and its code is null. */
export async function runScript(
  file: string,
  env: Readonly<Record<string, string>> = {},
  nodeOptions: readonly string[] = [],
  limitMs = 30_000,
): Promise<Ended> {
  const child = spawn(process.execPath, [...nodeOptions, ...scriptArgs(file)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const limit = setTimeout(() => child.kill('SIGKILL'), limitMs);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(limit);
  return { code, stdout, stderr };
}
