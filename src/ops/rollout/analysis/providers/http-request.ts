import { MeasureError } from './measure-error';

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
