import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { builtCommand, cleanEnv } from './built-command';

/** A command that goes on until it is interrupted. */
export interface LiveCommand {
  /** Lines printed so far. */
  readonly lines: readonly string[];
  /** Resolves with the first line from `from` on that fits. */
  line(fits: RegExp, from?: number): Promise<string>;
  /** SIGINT; resolves to what it ended with. */
  interrupt(): Promise<number | null>;
  kill(): void;
}

const LIMIT_MS = 10_000;

export function startLive(args: readonly string[], env: Readonly<Record<string, string>>): LiveCommand {
  const child = spawn(process.execPath, [builtCommand, ...args], {
    env: { ...cleanEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const lines = (): string[] => text.split('\n').slice(0, -1);
  return {
    get lines() {
      return lines();
    },
    async line(fits, from = 0) {
      const deadline = performance.now() + LIMIT_MS;
      for (;;) {
        const found = lines()
          .slice(from)
          .find((line) => fits.test(line));
        if (found !== undefined) return found;
        if (performance.now() > deadline) throw new Error(`no line like ${fits} in:\n${text}${errors}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async interrupt() {
      child.kill('SIGINT');
      const [code] = child.exitCode === null ? ((await once(child, 'close')) as [number | null]) : [child.exitCode];
      return code;
    },
    kill: () => child.kill('SIGKILL'),
  };
}
