import { EventEmitter } from 'node:events';
import { createProcessIo } from '../../../src/cli/io';
import { run } from '../../../src/cli/program';

export interface CommandRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandPlace {
  /** Of the terminal that both outputs are; undefined: pipes. */
  readonly columns: number | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** SIGINT once standard output or standard error have this. */
  readonly interruptAt?: RegExp;
}

/** Runs a command line in this process, as `main.ts` would in one of its own: the same streams, a terminal of any width. */
export async function runInProcess(args: readonly string[], place: CommandPlace): Promise<CommandRun> {
  const { columns, env = {}, interruptAt } = place;
  const text = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof text): object => ({
    isTTY: columns !== undefined,
    columns,
    rows: 40,
    on() {},
    write(piece: string) {
      text[name] += piece;
      if (interruptAt?.test(text[name])) of.emit('SIGINT');
    },
  });
  const of = Object.assign(new EventEmitter(), {
    env: { NO_COLOR: '1', ...env },
    pid: 0,
    stdin: { isTTY: false },
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    kill() {},
    exit(code: number): never {
      throw new Error(`ended with ${code}`);
    },
  });
  const code = await run(args, createProcessIo(of as unknown as NodeJS.Process));
  return { code, ...text };
}
