import picocolors from 'picocolors';
import { wrapLines } from './wrap-text';

type Colors = ReturnType<typeof picocolors.createColors>;

/**
 * 0: done. 1: a problem was found (invalid, refused, diverging, lost the race). 2: used wrongly, or could not run. 3:
 * done, and not all of it: the rollout was taken back, the document leaves something out.
 */
export type ExitCode = 0 | 1 | 2 | 3;

/** Columns of a table by their heads: the cell of each item. */
export type Columns<T> = Readonly<Record<string, (item: T) => Cell>>;
type Cell = string | number | undefined;

/** Columns that show a property under its own name. */
export function fields<K extends string>(...names: readonly K[]): Columns<Readonly<Partial<Record<K, Cell>>>> {
  return Object.fromEntries(names.map((name) => [name, (item: Readonly<Partial<Record<K, Cell>>>) => item[name]]));
}

/**
 * The environment of a command: variables, output, colours, interrupts. `main.ts` creates one for the process and hands
 * it to every command. Results go to standard output, everything else to standard error, so that a pipe gets results
 * alone. A command gives its result both as text and as data; `asJson` says which of them is printed.
 */
export interface CommandIo {
  /** `--json` was given: `json()` and `jsonLine()` print, and `line()`, `write()` and `table()` do not. */
  asJson: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Standard output is a terminal: a person can be asked. */
  readonly isTerminal: boolean;
  /** It is one that can move its cursor, unlike `TERM=dumb`: progress and live views make sense. */
  readonly canRedraw: boolean;
  /** Characters in a line of the terminal; 80 where that is unknown. */
  readonly columns: number;
  /** Lines of the terminal; 24 where that is unknown. */
  readonly rows: number;
  /**
   * Each leaves the text as it is when output is piped or `NO_COLOR` is set. `FORCE_COLOR` turns colour on in a pipe.
   */
  readonly colors: Colors;
  /** What the process ends with unless an error is thrown. Starts as 0; a command sets 1 for a problem it has shown. */
  exitCode: ExitCode;
  /** One line of a result, wrapped between words where a terminal is narrower. */
  line(text?: string): void;
  /** A piece of a result as it is: documents, progress bars, live views. */
  write(text: string): void;
  /** The whole result of a command as data: one document, indented. */
  json(value: unknown): void;
  /** One result of many as data, as they come: an object a line. */
  jsonLine(value: unknown): void;
  /** A result as columns, a row for each item, fitted to the terminal. Without items, only the head. */
  table<T>(items: readonly T[], columns: Columns<T>): Promise<void>;
  /** One line for the person, not part of the result: warnings, what was lost, what comes next. Wrapped as `line()`. */
  note(text: string): void;
  /** Asks on standard error. Resolves to the answer, or to undefined without a terminal and when the input ends. */
  ask(question: string): Promise<string | undefined>;
  /**
   * Calls `listener` for each key until the returned function is called, where standard input is a terminal. Ctrl-C
   * still sends SIGINT.
   */
  onKey(listener: (key: string) => void): () => void;
  /**
   * Aborts at SIGINT and SIGTERM; from the first reading on, these no longer end the process by themselves. A command that
   * says that it listens reads it before: who waits for that may interrupt at once.
   */
  readonly interrupted: AbortSignal;
}

const CTRL_C = 3;
/** Of a terminal that does not say. */
const COLUMNS = 80;

/** The real one. A reader that goes away (`graylane ... | head`) ends the process quietly. */
export function createProcessIo(of: NodeJS.Process): CommandIo {
  const { env, stdin, stdout, stderr } = of;
  const isTerminal = stdout.isTTY === true;
  const colors = picocolors.createColors(usesColor(env, isTerminal));
  let interrupted: AbortController | undefined;
  stdout.on('error', (error: NodeJS.ErrnoException) => of.exit(error.code === 'EPIPE' ? 0 : 2));
  // Who does not read what went wrong is told by the exit code.
  stderr.on('error', () => {});
  const print = (text: string): void => void stdout.write(text);
  return {
    asJson: false,
    env,
    isTerminal,
    canRedraw: isTerminal && env['TERM'] !== 'dumb',
    // Undefined in a pipe, 0 in a terminal that does not say; another after the window was resized.
    get columns() {
      return stdout.columns || COLUMNS;
    },
    get rows() {
      return stdout.rows || 24;
    },
    colors,
    exitCode: 0,
    line(text = '') {
      if (!this.asJson) print(`${fitted(printable(text), stdout)}\n`);
    },
    write(text) {
      if (!this.asJson) print(text);
    },
    json(value) {
      if (this.asJson) print(`${JSON.stringify(value, null, 2)}\n`);
    },
    jsonLine(value) {
      if (this.asJson) print(`${JSON.stringify(value)}\n`);
    },
    async table(items, columns) {
      if (this.asJson) return;
      const width = isTerminal ? stdout.columns || COLUMNS : undefined;
      print(`${printable(await tableOf(items, columns, colors, width))}\n`);
    },
    note: (text) => void stderr.write(`${fitted(printable(text), stderr)}\n`),
    async ask(question) {
      if (stdin.isTTY !== true || !isTerminal) return undefined;
      const { createInterface } = await import('node:readline/promises');
      const asking = createInterface({ input: stdin, output: stderr });
      const ended = new Promise<undefined>((resolve) => asking.once('close', () => resolve(undefined)));
      const answer = await Promise.race([asking.question(printable(question)), ended]);
      asking.close();
      return answer;
    },
    onKey(listener) {
      if (stdin.isTTY !== true || !isTerminal) return () => {};
      const onData = (keys: Buffer): void => {
        // In raw mode the terminal sends no signal for Ctrl-C.
        if (keys.includes(CTRL_C)) of.kill(of.pid, 'SIGINT');
        for (const key of keys.toString('utf8')) listener(key);
      };
      stdin.setRawMode(true).on('data', onData).resume();
      return () => void stdin.setRawMode(false).off('data', onData).pause();
    },
    get interrupted() {
      if (interrupted === undefined) {
        const controller = new AbortController();
        for (const name of ['SIGINT', 'SIGTERM'] as const) of.once(name, () => controller.abort());
        interrupted = controller;
      }
      return interrupted.signal;
    },
  };
}

/** The lines of a table. The renderer is loaded when the first table is shown. */
export async function tableOf<T>(
  items: readonly T[],
  columns: Columns<T>,
  { bold }: Colors,
  width: number | undefined,
): Promise<string> {
  const { renderTable } = await import('./table.js');
  const rows = items.map((item) => Object.values(columns).map((cellOf) => String(cellOf(item) ?? '')));
  return renderTable(Object.keys(columns).map(bold), rows, width);
}

/** In a pipe a line stays a line. */
function fitted(text: string, { isTTY, columns }: NodeJS.WriteStream): string {
  return isTTY === true ? wrapLines(text, columns || COLUMNS).join('\n') : text;
}

/** What comes from Consul or a file must not move the cursor or rename the window. Colours and line breaks stay. */
function printable(text: string): string {
  return text.replace(/\p{Cc}\[[\d;]*m|\n|\p{Cc}/gu, (found) => (found.length > 1 || found === '\n' ? found : ' '));
}

/** https://no-color.org: set and not empty. */
function usesColor(env: CommandIo['env'], isTerminal: boolean): boolean {
  if ((env['NO_COLOR'] ?? '') !== '') return false;
  const forced = env['FORCE_COLOR'];
  if (forced !== undefined && forced !== '') return forced !== '0';
  return isTerminal && env['TERM'] !== 'dumb';
}
