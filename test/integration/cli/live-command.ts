import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll } from 'vitest';
import { builtCommand, cleanEnv } from './built-command';

/** A command that goes on until it is interrupted. */
export interface LiveCommand {
  /** Lines printed so far. */
  readonly lines: readonly string[];
  /** Resolves with the first line from `from` on that fits. */
  line(fits: RegExp, from?: number): Promise<string>;
  /** The same of standard error. */
  note(fits: RegExp): Promise<string>;
  /** SIGINT; resolves to what it ended with. */
  interrupt(): Promise<number | null>;
  /** What it ended with by itself. */
  readonly ended: Promise<number | null>;
  kill(): void;
}

/** Of a line that is waited for, on a machine that does other things. */
const LIMIT_MS = 30_000;
const live = new Set<ChildProcess>();

/** A test that fails leaves its command behind. */
afterAll(() => {
  for (const child of live) child.kill('SIGKILL');
});

export function startLive(args: readonly string[], env: Readonly<Record<string, string>>): LiveCommand {
  const child = spawn(process.execPath, [builtCommand, ...args], {
    env: { ...cleanEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  live.add(child);
  const ended = once(child, 'close').then(([code]) => {
    live.delete(child);
    return code as number | null;
  });
  let text = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const linesIn = (printed: string): string[] => printed.split('\n').slice(0, -1);
  const find = async (look: () => string | undefined, fits: RegExp): Promise<string> => {
    const deadline = performance.now() + LIMIT_MS;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (performance.now() > deadline) throw new Error(`no line like ${fits} in:\n${text}${errors}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return {
    ended,
    get lines() {
      return linesIn(text);
    },
    line(fits, from = 0) {
      const look = () =>
        linesIn(text)
          .slice(from)
          .find((line) => fits.test(line));
      return find(look, fits);
    },
    note: (fits) => find(() => linesIn(errors).find((line) => fits.test(line)), fits),
    async interrupt() {
      child.kill('SIGINT');
      return ended;
    },
    kill: () => child.kill('SIGKILL'),
  };
}
