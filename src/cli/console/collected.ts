import picocolors from 'picocolors';
import { GraylaneError } from '../../base/errors';
import type { ConsoleAnswer, ConsoleOperation } from '../../ops/console/operation';
import { PolicyError } from '../../policy/policy-error';
import { CommandError } from '../command';
import type { CommandIo } from '../io';

/** What a command gave when the console ran it. */
export interface Collected {
  /** What `--json` prints; null where the command ended before it. */
  readonly result: unknown;
  /** What goes to standard error. */
  readonly notes: readonly string[];
  /** What the process would have ended with. */
  readonly code: number;
  readonly error?: CommandFailure;
}

interface CommandFailure {
  readonly message: string;
  /** An instruction, as the command gives it. */
  readonly nextStep?: string;
}

/**
 * Runs the function of a command with an environment of its own, and gathers what it would print with `--json`. Rejects
 * only for errors that were not foreseen.
 */
export async function collect(
  env: CommandIo['env'],
  signal: AbortSignal,
  work: (io: CommandIo) => Promise<void>,
): Promise<Collected> {
  let result: unknown = null;
  const notes: string[] = [];
  const io: CommandIo = {
    ...{ asJson: true, env, isTerminal: false, canRedraw: false, columns: 80, rows: 24, exitCode: 0 },
    colors: picocolors.createColors(false),
    ...{ line() {}, write() {}, jsonLine() {}, onKey: () => () => {} },
    json(value) {
      result = value;
    },
    table: async () => {},
    note: (text) => void notes.push(text),
    ask: async () => undefined,
    interrupted: signal,
  };
  try {
    await work(io);
    return { result, notes, code: io.exitCode };
  } catch (error) {
    const failed = failureOf(error);
    if (failed === undefined) throw error;
    const { code, ...shown } = failed;
    return { result, notes, code, error: shown };
  }
}

function failureOf(error: unknown): (CommandFailure & { readonly code: number }) | undefined {
  if (error instanceof CommandError) {
    const { message, exitCode, nextStep } = error;
    return { message, code: exitCode, ...(nextStep === undefined ? {} : { nextStep }) };
  }
  if (error instanceof PolicyError) {
    return { message: error.problems.map((problem) => problem.message).join('; '), code: 1 };
  }
  return GraylaneError.is(error) ? { message: error.message, code: 2 } : undefined;
}

/** Consul refuses the token: the page asks for another. */
const FORBIDDEN = /\bHTTP 40[13]\b|permission denied|acl not found/i;

/**
 * As an answer of the API: 403 where the token does not permit it, 502 without an answer of Consul. What a command
 * refuses or does not find is 404 of a read and 409 of a write; of a question it is the answer.
 */
export function answerOf(collected: Collected, method: ConsoleOperation['method']): ConsoleAnswer {
  const { error, code, notes } = collected;
  const isWrite = method === 'PUT' || method === 'DELETE';
  const text = error?.message ?? (code === 0 ? '' : notes.join('\n'));
  const status = (): number => {
    if (FORBIDDEN.test(text)) return 403;
    if (code === 0 || method === 'POST') return error !== undefined && code === 2 ? 502 : 200;
    if (isWrite) return code === 1 ? 409 : 502;
    if (error === undefined) return 200;
    return code === 1 ? 404 : 502;
  };
  return { status: status(), body: collected };
}
