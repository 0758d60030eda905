import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { type JsonAnswer, type JsonRequest, requestJson } from '../../../base/http-json';
import type { CommandConfig, RequestConfig, WebhookConfig } from '../config/controller-config';

/** Why there are no metrics, without secrets. */
export class MeasureError extends Error {
  override readonly name: string = 'MeasureError';
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * The bearer token that the configuration names; undefined when it names none. Asked before each request, so a rotated
 * file serves from then on. Rejects with a {@link MeasureError} that names the place and never the token.
 */
export async function readToken(
  { tokenEnv, tokenFile }: RequestConfig,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  if (tokenEnv !== undefined) return wanted(environment[tokenEnv], 'tokenEnv: the variable is not set');
  if (tokenFile === undefined) return undefined;
  let text: string;
  try {
    text = await readFile(tokenFile, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'not readable';
    throw new MeasureError(`tokenFile: ${code} (expected: a file with a token)`);
  }
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
  environment: Readonly<Record<string, string | undefined>>,
  request: Pick<JsonRequest, 'signal' | 'ignoresBody'> & { readonly body: string },
): Promise<JsonAnswer> {
  const { url, headers, timeoutMs = 10_000 } = webhook;
  return requestJson({ ...request, url, headers, timeoutMs, token: await readToken(webhook, environment) });
}

const MAX_OUTPUT_BYTES = 1024 * 1024;
const SHOWN_CHARACTERS = 200;

/**
 * Runs a program without a shell, gives it `input` as JSON on its standard input and reads JSON from its standard
 * output. What runs too long is killed. Rejects with a {@link MeasureError}. The program is the controller's own choice
 * and sees this process' environment.
 */
export function runCommand(
  { run, timeoutMs = 10_000 }: CommandConfig,
  input: unknown,
  signal?: AbortSignal,
): Promise<unknown> {
  const [program = '', ...args] = run;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
    let output = '';
    let complaint = '';
    let reason: string | undefined;
    const stop = (why: string): void => {
      reason ??= why;
      child.kill('SIGKILL');
      // A grandchild may hold the pipes open for longer.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const timer = setTimeout(() => stop(`no answer within ${timeoutMs} ms`), timeoutMs);
    const cancel = (): void => stop('cancelled');
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted === true) cancel();
    const settle = (finish: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
      finish();
    };
    const fail = (why: string): void => settle(() => reject(new MeasureError(why)));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.length > MAX_OUTPUT_BYTES) stop(`more than ${MAX_OUTPUT_BYTES} bytes of output`);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-SHOWN_CHARACTERS);
    });
    // A program may ignore its input.
    child.stdin.on('error', () => {});
    child.stdin.end(JSON.stringify(input));
    child.once('error', (error: NodeJS.ErrnoException) => fail(reason ?? error.code ?? 'could not be started'));
    child.once('close', (code, killedBy) => {
      if (reason !== undefined) return fail(reason);
      if (code !== 0) {
        const said = complaint.trim().split('\n').at(-1) ?? '';
        return fail(`exit ${code ?? killedBy}${said === '' ? '' : `: ${said}`} (expected: 0)`);
      }
      return settle(() => {
        try {
          resolve(JSON.parse(output));
        } catch {
          reject(new MeasureError('output that is not JSON (expected: JSON)'));
        }
      });
    });
  });
}
