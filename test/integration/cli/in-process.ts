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
  const text = (piece: string): void => {
    if (!io.asJson) stdout += piece;
  };
  const io: CommandIo = {
    asJson: false,
    env,
    isTerminal: false,
    canRedraw: false,
    columns: 80,
    rows: 24,
    colors: picocolors.createColors(false),
    exitCode: 0,
    line: (line = '') => text(`${line}\n`),
    write: text,
    jsonLine: (value) => {
      if (io.asJson) stdout += `${JSON.stringify(value)}\n`;
    },
    json: (value) => {
      if (io.asJson) stdout += JSON.stringify(value);
    },
    table: async (items, columns) => {
      for (const item of items) {
        text(
          `${Object.values(columns)
            .map((cellOf) => cellOf(item) ?? '')
            .join(' ')}\n`,
        );
      }
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
