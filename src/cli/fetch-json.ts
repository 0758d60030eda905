import { HttpError, type JsonRequest, requestJson } from '../base/http-json';
import { isRecord } from '../base/is-record';
import { queryPrometheus, type Sample } from '../ops/prometheus';

/** `failure`: one line, without credentials. */
export type Fetched<T = unknown> = { readonly body: T } | { readonly failure: string };

const TIME_LIMIT_MS = 5_000;

/** As messages name it: without credentials and query. */
export function shownUrl({ origin, pathname }: URL): string {
  return pathname === '/' ? origin : `${origin}${pathname.replace(/\/$/, '')}`;
}

/** `name` below the path of `base`, with these query parameters. */
export function below(base: URL, name: string, query: Readonly<Record<string, string>> = {}): URL {
  const url = new URL(base);
  url.pathname = `${base.pathname.replace(/\/$/, '')}/${name}`;
  for (const [key, value] of Object.entries(query)) url.searchParams.append(key, value);
  return url;
}

/**
 * A GET with the credentials of the address in a header. Never rejects; the reason is what `error` of an answer says.
 */
export async function fetchJson(address: URL): Promise<Fetched> {
  try {
    const { status, body } = await requestJson({ ...withoutCredentials(address), timeoutMs: TIME_LIMIT_MS });
    const isOk = status >= 200 && status <= 299;
    if (isOk && body !== undefined) return { body };
    const told = isRecord(body) && typeof body['error'] === 'string' ? `: ${body['error']}` : '';
    return { failure: isOk ? 'the answer is not JSON' : `HTTP ${status}${told}` };
  } catch (error) {
    if (error instanceof HttpError) return { failure: error.message };
    throw error;
  }
}

/** Instant queries, all at once; their answers are in the same order. Never rejects. */
export async function queryAll(
  address: URL,
  expressions: readonly string[],
): Promise<readonly (readonly Sample[])[] | { readonly failure: string }> {
  const server = { ...withoutCredentials(address), method: 'GET', timeoutMs: TIME_LIMIT_MS } as const;
  try {
    return await Promise.all(expressions.map((expression) => queryPrometheus(server, expression)));
  } catch (error) {
    if (error instanceof HttpError) return { failure: error.message };
    throw error;
  }
}

/** The address, and its credentials as a header. */
export function withoutCredentials(address: URL): Pick<JsonRequest, 'url' | 'headers'> {
  const { username, password } = address;
  if (username === '') return { url: address };
  const url = new URL(address);
  url.username = '';
  url.password = '';
  const secret = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  return { url, headers: { authorization: `Basic ${secret}` } };
}
