import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { CommandConfig, RequestConfig, WebhookConfig } from '../config/controller-config';

/** No figures, and why, in words that hold no secret: `prometheus http://127.0.0.1:9090: 503 (expected: 200)`. */
export class MeasureError extends Error {
  override readonly name: string = 'MeasureError';
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * The bearer token that the configuration names; undefined when it names none. Asked before each request, so a rotated file
 * serves from then on. Rejects with a {@link MeasureError} that names the place and never the token.
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

const MAX_BYTES = 32 * 1024 * 1024;

export interface HttpRequest {
  readonly url: string;
  readonly contentType: 'application/json' | 'application/x-www-form-urlencoded';
  readonly body: string;
  /** Goes into the header and nowhere else. */
  readonly token: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Posts and reads JSON, with any status. Redirects are not followed, since the token would go along. Rejects with a
 * {@link MeasureError} that says nothing of the address.
 */
export async function postForJson(request: HttpRequest): Promise<{ readonly status: number; readonly body: unknown }> {
  const { url, contentType, body, token, headers, timeoutMs, signal } = request;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'error',
      headers: {
        ...headers,
        'content-type': contentType,
        accept: 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body,
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    });
    return { status: response.status, body: parse(await readText(response), response.status) };
  } catch (error) {
    if (timeout.aborted) throw new MeasureError(`no answer within ${timeoutMs} ms`);
    if (error instanceof MeasureError) throw error;
    throw new MeasureError(reasonOf(error));
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new MeasureError(`an answer of more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string, status: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new MeasureError(`${status} with a body that is not JSON (expected: JSON)`);
  }
}

/** `fetch` hides what happened in the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code: unknown = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  if (typeof code === 'string') return code;
  // A message of fetch may quote the headers that it did not like.
  return cause instanceof Error && !/header/i.test(cause.message) ? cause.message : 'the request failed';
}

/** Posts `input` as JSON and hands over the JSON of a 2xx answer. Rejects with a {@link MeasureError}. */
export async function postWebhook(
  { url, headers, timeoutMs = 10_000 }: WebhookConfig,
  token: string | undefined,
  input: unknown,
  signal?: AbortSignal,
): Promise<unknown> {
  const { status, body } = await postForJson({
    url,
    headers,
    contentType: 'application/json',
    body: JSON.stringify(input),
    token,
    timeoutMs,
    signal,
  });
  if (status < 200 || status > 299) throw new MeasureError(`${status} (expected: 2xx)`);
  return body;
}

const MAX_OUTPUT_BYTES = 1024 * 1024;
const SHOWN_CHARACTERS = 200;

/**
 * Runs a program without a shell, gives it `input` as JSON on its standard input and reads JSON from its standard output. What runs
 * too long is killed. Rejects with a {@link MeasureError}. The
 * program is the controller's own choice and sees this process' environment.
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
      // A grandchild may hold the pipes open for longer than anybody waits.
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
    // One that does not read its input is none the worse for it.
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
