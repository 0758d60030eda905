import { type ExecFileException, execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { type JsonAnswer, type JsonRequest, requestJson } from '../../../base/http-json';
import type { CommandConfig, ControllerConfig, RequestConfig, WebhookConfig } from '../config/controller-config';
import { MeasureError } from './subset-metrics';

/** Where tokens that the configuration names by `tokenEnv` are looked up, at each request. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a controller lets rollouts reach. */
export interface Reach {
  /** What the names in a document stand for. */
  readonly config: ControllerConfig;
  readonly env: Environment;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * The bearer token that the configuration names; undefined when it names none. Asked before each request, so a rotated
 * file serves from then on. Rejects with a {@link MeasureError} that names the place and never the token.
 */
export function readToken({ tokenEnv, tokenFile }: RequestConfig, env: Environment): Promise<string | undefined> {
  return readSecret({ env: tokenEnv, file: tokenFile }, ['tokenEnv', 'tokenFile'], 'a token', env);
}

/** The same of another secret: where it stands, the names of both fields for messages, and what it is. */
export async function readSecret(
  place: { readonly env: string | undefined; readonly file: string | undefined },
  [envName, fileName]: readonly [env: string, file: string],
  what: string,
  env: Environment,
): Promise<string | undefined> {
  const wanted = (text: string | undefined, fault: string): string => {
    const secret = text?.trim() ?? '';
    if (secret === '') throw new MeasureError(`${fault} (expected: ${what})`);
    return secret;
  };
  if (place.env !== undefined) return wanted(env[place.env], `${envName}: the variable is not set`);
  if (place.file === undefined) return undefined;
  const text = await readFile(place.file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new MeasureError(`${fileName}: ${error.code ?? 'not readable'} (expected: a file with ${what})`);
  });
  return wanted(text, `${fileName}: the file is empty`);
}

/** Sends `body` to a webhook, with the token that the configuration names. Rejects when there is no answer. */
export async function postToWebhook(
  webhook: WebhookConfig,
  env: Environment,
  request: Pick<JsonRequest, 'signal' | 'ignoresBody'> & { readonly body: string },
): Promise<JsonAnswer> {
  const { url, headers, timeoutMs = 10_000 } = webhook;
  return requestJson({ ...request, url, headers, timeoutMs, token: await readToken(webhook, env) });
}

export function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

const MAX_OUTPUT_BYTES = 1024 * 1024;
const SHOWN_CHARACTERS = 200;

/** How a program ended. */
export interface ProgramEnded {
  /** The exit code; undefined when the program did not run, or was killed. */
  readonly code: number | undefined;
  readonly output: string;
  /** Why it is no success, and what was expected; undefined: it is one. */
  readonly failure: string | undefined;
}

/**
 * Runs a program without a shell and gives it `input` on its standard input. What runs too long is killed. Never
 * rejects. The program is the controller's own choice and sees this process' environment.
 */
export function runProgram(
  { run, timeoutMs = 10_000 }: CommandConfig,
  input: string,
  signal?: AbortSignal,
): Promise<ProgramEnded> {
  const [program = '', ...args] = run;
  const limits = { timeout: timeoutMs, maxBuffer: MAX_OUTPUT_BYTES, killSignal: 'SIGKILL', windowsHide: true } as const;
  return new Promise((resolve) => {
    const child = execFile(program, args, { ...limits, signal }, (error, output, complaint) => {
      // Node ends a cancelled program with SIGTERM, which a program may ignore.
      if (signal?.aborted === true) child.kill('SIGKILL');
      if (error === null) return resolve({ code: 0, output, failure: undefined });
      const code = typeof error.code === 'number' && error.killed !== true ? error.code : undefined;
      resolve({ code, output, failure: reasonOf(error, timeoutMs, complaint) });
    });
    // A program may ignore its input.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** Runs a program and reads JSON from its standard output. Rejects with a {@link MeasureError}. */
export async function runCommand(command: CommandConfig, input: string, signal?: AbortSignal): Promise<unknown> {
  const { output, failure } = await runProgram(command, input, signal);
  if (failure !== undefined) throw new MeasureError(failure);
  try {
    return JSON.parse(output);
  } catch {
    throw new MeasureError('output that is not JSON (expected: JSON)');
  }
}

function reasonOf({ name, code, signal, killed }: ExecFileException, timeoutMs: number, complaint: string): string {
  if (name === 'AbortError') return 'cancelled';
  if (String(code) === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return `more than ${MAX_OUTPUT_BYTES} bytes of output`;
  if (killed === true) return `no answer within ${timeoutMs} ms`;
  if (typeof code === 'string') return code;
  const said = complaint.slice(-SHOWN_CHARACTERS).trim().split('\n').at(-1) ?? '';
  return `exit ${code ?? signal}${said === '' ? '' : `: ${said}`} (expected: 0)`;
}
