import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runInProcess } from './in-process-command';

/** The command as it ships: what `npm run build` left in dist/. */
export const builtCommand: string = join(__dirname, '..', '..', '..', 'dist', 'cli.js');

export interface CommandEnded {
  /** Null when it was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandSettings {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly limitMs?: number;
}

/**
 * Runs `graylane` to its end, in a pipe, with no variables of the test's own Consul or colour: in this process, or the
 * built command in one of its own where standard input or a limit matters.
 */
export async function graylane(args: readonly string[], settings: CommandSettings = {}): Promise<CommandEnded> {
  const { env, input, limitMs } = settings;
  if (input !== undefined || limitMs !== undefined) return builtGraylane(args, settings);
  return runInProcess(args, { columns: undefined, env: { ...cleanEnv(), ...env } });
}

/** The built command, in a process of its own. */
export async function builtGraylane(args: readonly string[], settings: CommandSettings = {}): Promise<CommandEnded> {
  if (!existsSync(builtCommand)) throw new Error('dist/cli.js: missing (expected: npm run build before the tests)');
  const child = spawn(process.execPath, [builtCommand, ...args], {
    env: { ...cleanEnv(), ...settings.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdin.on('error', () => {});
  child.stdin.end(settings.input ?? '');
  const limit = setTimeout(() => child.kill('SIGKILL'), settings.limitMs ?? 60_000);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(limit);
  return { code, stdout, stderr };
}

/** The same, with `--json`; fails the test when standard output is no single document. */
export async function graylaneJson<T>(
  args: readonly string[],
  settings: CommandSettings = {},
): Promise<CommandEnded & { readonly json: T }> {
  const ended = await graylane([...args, '--json'], settings);
  try {
    return { ...ended, json: JSON.parse(ended.stdout) as T };
  } catch {
    throw new Error(`graylane ${args.join(' ')} --json printed no JSON:\n${ended.stdout}\n${ended.stderr}`);
  }
}

export function cleanEnv(): Record<string, string> {
  const own = /^(CONSUL_|GRAYLANE_|NO_COLOR$|FORCE_COLOR$|NODE_OPTIONS$|NODE_ENV$|VITEST)/;
  const entries = Object.entries(process.env).filter(([name, value]) => value !== undefined && !own.test(name));
  return Object.fromEntries(entries) as Record<string, string>;
}
