// The `graylane` command as it ships. In a project that has it installed it is `npx graylane`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const LIMIT_MS = 90_000;
const COMMAND = join(__dirname, '..', '..', 'dist', 'cli.js');

export interface CommandSettings {
  /** `http://host:port` of an agent. */
  readonly consul: string;
  /** For standard input. */
  readonly input?: string;
  /** Each line of the result, as it comes. */
  readonly onLine?: (line: string) => void;
}

/** Runs the command to its end; one that has not ended after a minute and a half is killed, with code -1. */
export async function runGraylane(
  args: readonly string[],
  { consul, input = '', onLine }: CommandSettings,
): Promise<{ readonly code: number; readonly lines: readonly string[]; readonly notes: string }> {
  const env = { ...process.env, CONSUL_HTTP_ADDR: consul };
  const child = spawn(process.execPath, [COMMAND, ...args], { env, timeout: LIMIT_MS, killSignal: 'SIGKILL' });
  const endNow = (): void => void child.kill('SIGKILL');
  process.once('exit', endNow);
  const lines: string[] = [];
  let notes = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    onLine?.(line);
  });
  child.stderr.on('data', (chunk) => {
    notes += String(chunk);
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  process.off('exit', endNow);
  return { code: code ?? -1, lines, notes };
}
