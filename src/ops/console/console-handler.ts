import type { IncomingMessage, ServerResponse } from 'node:http';
import { GraylaneError } from '../../base/errors';
import { refusalOf } from '../../base/web/foreign';
import { sendPage, sendPageFile, setPageHeaders } from '../../base/web/page-files';
import { apiRefusal, type Refusal, tokenOf } from './guard';
import { type ConsoleAnswer, type ConsoleOperation, ConsoleProblem, type ConsoleRequest } from './operation';
import { createTurns } from './turns';

export interface ConsoleOptions {
  readonly operations: readonly ConsoleOperation[];
  /** PUT and DELETE are refused. */
  readonly isReadOnly: boolean;
  /** Names under which browsers reach it, in lower case, beside loopback's and addresses. */
  readonly hosts: readonly string[];
  /** Called after each write: the path as it was asked for, without its query. */
  readonly onWrite?: (written: { readonly method: string; readonly path: string; readonly status: number }) => void;
  /** Called with an error that was not foreseen. It may hold anything: the caller is not told of it. */
  readonly onError?: (error: unknown) => void;
}

export type ConsoleHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** A policy of 256 KiB, as a JSON text with its quotes and line breaks escaped. */
const MAX_BODY_BYTES = 640 * 1024;
const MAX_PARAM_CHARACTERS = 256;
/** Each operation asks Consul a few questions. */
const AT_ONCE = 16;
const WAITING = 64;
const TIME_LIMIT_MS = 30_000;
const API = '/api/';

/** The console as a handler of Node's HTTP server. Answers never say more of an unforeseen error than that it happened. */
export function createConsoleHandler(options: ConsoleOptions): ConsoleHandler {
  const routes = options.operations.map((operation) => ({ operation, segments: operation.path.split('/') }));
  const turns = createTurns(AT_ONCE, WAITING);

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<ConsoleAnswer> => {
    const { method = 'GET', url = '/' } = request;
    const refusal = apiRefusal(request, options.hosts);
    if (refusal !== undefined) return refused(refusal);
    const path = url.split('?', 1)[0] ?? '';
    const found = routes.flatMap(({ operation, segments }) => {
      const params = paramsOf(segments, path.slice(API.length - 1));
      return params === undefined ? [] : [{ operation, params }];
    });
    if (found.length === 0) return refused({ status: 404, reason: 'path: unknown' });
    const isWrite = method === 'PUT' || method === 'DELETE';
    if (isWrite && options.isReadOnly) return refused({ status: 405, reason: 'this console only reads (--read-only)' });
    const chosen = found.find(({ operation }) => operation.method === method);
    if (chosen === undefined) {
      const methods = found.map(({ operation }) => operation.method).join(', ');
      return refused({ status: 405, reason: `method: another (expected: ${methods})` });
    }
    const gone = goneFrom(response);
    // Before its turn: who sends slowly keeps nobody waiting.
    const body = method === 'GET' ? undefined : await readJson(request);
    const turn = turns.take(async () => {
      // What nobody waits for any more is not begun: its caller may have asked again.
      if (gone.aborted) throw new ConsoleProblem(503, 'the caller has gone');
      const query = new URLSearchParams(url.slice(path.length + 1));
      const signal = AbortSignal.any([gone, AbortSignal.timeout(TIME_LIMIT_MS)]);
      const asked: ConsoleRequest = { params: chosen.params, query, body, token: tokenOf(request), signal };
      return chosen.operation.run(asked);
    });
    if (turn === undefined) return refused({ status: 503, reason: 'too many requests wait already; try again' });
    const answered = await turn;
    if (isWrite) options.onWrite?.({ method, path, status: answered.status });
    return answered;
  };

  return (request, response) => {
    if (!(request.url ?? '/').startsWith(API)) return send(request, response, pageOf(request, response, options.hosts));
    answer(request, response)
      .catch((error) => answerOf(error, options))
      .then((given) => send(request, response, given))
      .catch(() => response.destroy());
  };
}

/** Undefined: the page, or a file of it, was sent. */
function pageOf(
  request: IncomingMessage,
  response: ServerResponse,
  hosts: readonly string[],
): ConsoleAnswer | undefined {
  const { method = 'GET', url = '/' } = request;
  const foreign = refusalOf(request, hosts);
  if (foreign !== undefined) return refused({ status: 403, reason: foreign });
  if (method !== 'GET' && method !== 'HEAD') return refused({ status: 405, reason: 'method: another (expected: GET)' });
  const name = (url.split('?', 1)[0] ?? '/').slice(1);
  if (name === '') sendPage(request, response, 'team');
  else if (!sendPageFile(request, response, name)) return refused({ status: 404, reason: 'path: unknown' });
  return undefined;
}

function refused({ status, reason }: Refusal): ConsoleAnswer {
  return { status, body: { error: { message: reason } } };
}

/** Messages of our own errors hold no secret; of others nothing is told. */
function answerOf(error: unknown, { onError }: ConsoleOptions): ConsoleAnswer {
  if (error instanceof ConsoleProblem) return refused({ status: error.status, reason: error.message });
  if (GraylaneError.is(error)) return refused({ status: 400, reason: error.message });
  onError?.(error);
  return refused({ status: 500, reason: 'it failed for a reason that was not foreseen' });
}

function send(request: IncomingMessage, response: ServerResponse, answer: ConsoleAnswer | undefined): void {
  if (answer === undefined || response.destroyed) return;
  const { status, body } = answer;
  response.statusCode = status;
  setPageHeaders(response);
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.setHeader('cache-control', 'no-store');
  if (status === 503) response.setHeader('retry-after', '1');
  // A body that was not read is not waited for.
  if (!request.complete) response.setHeader('connection', 'close');
  response.end(`${JSON.stringify(body)}\n`);
}

/** Undefined: the path is another one. */
function paramsOf(segments: readonly string[], path: string): Readonly<Record<string, string>> | undefined {
  const given = path.split('/');
  if (given.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [at, segment] of segments.entries()) {
    const name = /^\{(\w+)\}$/.exec(segment)?.[1];
    const value = decode(given[at] ?? '');
    if (name === undefined ? segment !== value : !isName(value)) return undefined;
    if (name !== undefined) params[name] = value;
  }
  return params;
}

function isName(text: string): boolean {
  return text !== '' && text.length <= MAX_PARAM_CHARACTERS && !/[/\p{Cc}]/u.test(text);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

function goneFrom(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return gone.signal;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json(?:;|$)/i.test(type)) {
    throw new ConsoleProblem(415, 'content-type: another (expected: application/json)');
  }
  const tooLong = new ConsoleProblem(413, `body: longer than ${MAX_BODY_BYTES} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooLong;
  const chunks: Buffer[] = [];
  let bytes = 0;
  // A reader that stops early would end the connection before the answer is out.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw tooLong;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new ConsoleProblem(400, 'body: not JSON');
  }
}
