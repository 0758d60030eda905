import { type ExecFileException, execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { type JsonAnswer, type JsonRequest, requestJson } from '../../../base/http-json';
import type { CommandConfig, RequestConfig, WebhookConfig } from '../config/controller-config';
import { MeasureError } from './subset-metrics';

/** Where tokens that the configuration names by `tokenEnv` are looked up, at each request. */
export type Environment = Readonly<Record<string, string | undefined>>;

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * The bearer token that the configuration names; undefined when it names none. Asked before each request, so a rotated
 * file serves from then on. Rejects with a {@link MeasureError} that names the place and never the token.
 */
export async function readToken({ tokenEnv, tokenFile }: RequestConfig, env: Environment): Promise<string | undefined> {
  if (tokenEnv !== undefined) return wanted(env[tokenEnv], 'tokenEnv: the variable is not set');
  if (tokenFile === undefined) return undefined;
  const text = await readFile(tokenFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new MeasureError(`tokenFile: ${error.code ?? 'not readable'} (expected: a file with a token)`);
  });
  return wanted(text, 'tokenFile: the file is empty');
}

function wanted(text: string | undefined, fault: string): string {
  const token = text?.trim() ?? '';
  if (token === '') throw new MeasureError(`${fault} (expected: a token)`);
  return token;
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

/**
 * Runs a program without a shell, gives it `input` on its standard input and reads JSON from its standard output. What
 * runs too long is killed. Rejects with a {@link MeasureError}. The program is the controller's own choice and sees
 * this process' environment.
 */
export function runCommand(
  { run, timeoutMs = 10_000 }: CommandConfig,
  input: string,
  signal?: AbortSignal,
): Promise<unknown> {
  const [program = '', ...args] = run;
  const limits = { timeout: timeoutMs, maxBuffer: MAX_OUTPUT_BYTES, killSignal: 'SIGKILL', windowsHide: true } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { ...limits, signal }, (error, output, complaint) => {
      // Node ends a cancelled program with SIGTERM, which a program may ignore.
      if (signal?.aborted === true) child.kill('SIGKILL');
      if (error !== null) return reject(new MeasureError(reasonOf(error, timeoutMs, complaint)));
      try {
        resolve(JSON.parse(output));
      } catch {
        reject(new MeasureError('output that is not JSON (expected: JSON)'));
      }
    });
    // A program may ignore its input.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

function reasonOf({ name, code, signal, killed }: ExecFileException, timeoutMs: number, complaint: string): string {
  if (name === 'AbortError') return 'cancelled';
  if (String(code) === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return `more than ${MAX_OUTPUT_BYTES} bytes of output`;
  if (killed === true) return `no answer within ${timeoutMs} ms`;
  if (typeof code === 'string') return code;
  const said = complaint.slice(-SHOWN_CHARACTERS).trim().split('\n').at(-1) ?? '';
  return `exit ${code ?? signal}${said === '' ? '' : `: ${said}`} (expected: 0)`;
}
