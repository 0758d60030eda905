import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import { builtCommand, cleanEnv } from './built-command';

/** A command that runs in a terminal of its own, as a person would run it. */
export interface TerminalCommand {
  /** What stood on the screen, one after another, without colours: each begins where the screen was cleared. */
  frames(): readonly string[];
  /** Everything that went to the screen, as it went. */
  readonly text: string;
  /** As from the keyboard: `\u0003` is Ctrl-C. */
  type(keys: string): void;
  readonly ended: Promise<number | null>;
  kill(): void;
}

const CLEARED = '\u001b[H\u001b[J';

/** Runs the built command in a pseudo-terminal, which is `script`'s (util-linux; in every Debian). */
export function startInTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  { columns, rows }: { readonly columns: number; readonly rows: number },
): TerminalCommand {
  const words = [process.execPath, builtCommand, ...args].map((word) => `'${word}'`);
  const child = spawn('script', ['-qefc', `stty cols ${columns} rows ${rows}; exec ${words.join(' ')}`, '/dev/null'], {
    env: { ...cleanEnv(), TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return {
    frames: () => text.split(CLEARED).slice(1).map(stripVTControlCharacters),
    get text() {
      return text;
    },
    type: (keys) => void child.stdin.write(keys),
    ended: once(child, 'close').then(([code]) => code as number | null),
    kill: () => child.kill('SIGKILL'),
  };
}
