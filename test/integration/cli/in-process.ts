import picocolors from 'picocolors';
import type { CommandIo } from '../../../src/cli/io';
import { run } from '../../../src/cli/program';

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process, as in a pipe: where hundreds are run, a process for each would take minutes. */
export async function runHere(args: readonly string[], env: CommandIo['env']): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  const io: CommandIo = {
    env,
    isTerminal: false,
    columns: 80,
    rows: 24,
    colors: picocolors.createColors(false),
    exitCode: 0,
    line: (text = '') => {
      stdout += `${text}\n`;
    },
    write: (text) => {
      stdout += text;
    },
    jsonLine: (value) => {
      stdout += `${JSON.stringify(value)}\n`;
    },
    json: (value) => {
      stdout += JSON.stringify(value);
    },
    table: async (_head, rows) => {
      stdout += rows.map((row) => `${row.join(' ')}\n`).join('');
    },
    note: (text) => {
      stderr += `${text}\n`;
    },
    ask: async () => undefined,
    onKey: () => () => {},
    interrupted: new AbortController().signal,
  };
  const code = await run(args, io);
  return { code, stdout, stderr };
}
