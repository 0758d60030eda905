/** Why a request has no usable answer, in words that hold neither the address nor a secret. */
export class HttpError extends Error {
  override readonly name: string = 'HttpError';
}

export interface JsonRequest {
  readonly url: string | URL;
  /** `accept` is set here, and `content-type` is JSON unless it is given. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent as a bearer token, and in no message. */
  readonly token?: string | undefined;
  /** Sent by POST; without a body the request is a GET. */
  readonly body?: string;
  /** Time for the whole answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The status alone is wanted. */
  readonly ignoresBody?: boolean;
}

export interface JsonAnswer {
  readonly status: number;
  /** Undefined where the body is not JSON, or was not wanted. */
  readonly body: unknown;
  /** The body as it came; empty where it was not wanted. */
  readonly text: string;
}

const MAX_BYTES = 32 * 1024 * 1024;

/**
 * Sends one request and reads the answer as JSON, whatever its status. Does not follow redirects, because the
 * credentials would go along. Rejects with an {@link HttpError}.
 */
export async function requestJson(request: JsonRequest): Promise<JsonAnswer> {
  const { url, body, token, headers, timeoutMs, signal } = request;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      redirect: 'manual',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
        accept: 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body }),
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    });
    const { status } = response;
    if (request.ignoresBody !== true) {
      const text = await readText(response);
      return { status, body: parse(text), text };
    }
    await response.body?.cancel();
    return { status, body: undefined, text: '' };
  } catch (error) {
    if (timeout.aborted) throw new HttpError(`no answer within ${timeoutMs} ms`);
    throw error instanceof HttpError ? error : new HttpError(reasonOf(error));
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new HttpError(`an answer of more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `fetch` puts what happened into the cause of its error. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code: unknown = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  if (typeof code === 'string') return code;
  // A message about a header may quote it.
  return cause instanceof Error && !/header/i.test(cause.message) ? cause.message : 'the request failed';
}
