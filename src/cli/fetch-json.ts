import { isRecord } from '../base/is-record';

export type Fetched =
  | { readonly kind: 'answer'; readonly body: unknown }
  /** One line, without credentials. */
  | { readonly kind: 'failure'; readonly reason: string };

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

/** GET. Never rejects; what stands in an answer's `error` is the reason. Credentials of the address go into the header. */
export async function fetchJson(url: URL): Promise<Fetched> {
  const { username, password } = url;
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  const secret = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  try {
    const response = await fetch(plain, {
      // Redirected, the credentials would be anybody's.
      redirect: 'manual',
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
      headers: { accept: 'application/json', ...(username === '' ? {} : { authorization: `Basic ${secret}` }) },
    });
    const body = parse(await response.text());
    if (response.ok && body !== undefined) return { kind: 'answer', body };
    const told = isRecord(body) && typeof body['error'] === 'string' ? `: ${body['error']}` : '';
    const reason = response.ok ? 'the answer is not JSON' : `HTTP ${response.status}${told}`;
    return { kind: 'failure', reason };
  } catch (error) {
    return { kind: 'failure', reason: reasonOf(error) };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no answer';
  if (error.name === 'TimeoutError') return `no answer within ${TIME_LIMIT_MS / 1000} s`;
  const cause: unknown = error.cause;
  if (isRecord(cause) && typeof cause['code'] === 'string') return cause['code'];
  return cause instanceof Error ? cause.message : error.message;
}
