import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../base/clock';
import type { Runtime } from '../base/runtime';
import { type Environment, textIn } from './environment';

/** Where the token comes from. Its text is held in a closure, which nothing prints. */
export type TokenOption =
  | { readonly kind: 'function'; readonly get: () => string | Promise<string> }
  | { readonly kind: 'file'; readonly path: string };

interface TokenGiven {
  readonly token?: string | (() => string | Promise<string>);
  readonly tokenFile?: string;
}

/** Undefined: none is sent. Options come before the environment; two of the same rank are a problem. */
export function parseTokenOption(given: TokenGiven, env: Environment, problems: string[]): TokenOption | undefined {
  const { token, tokenFile } = given;
  if (token !== undefined || tokenFile !== undefined) {
    return choose(token, tokenFile, ['consul.token', 'consul.tokenFile'], problems);
  }
  const names = ['CONSUL_HTTP_TOKEN', 'CONSUL_HTTP_TOKEN_FILE'] as const;
  return choose(textIn(env, names[0]), textIn(env, names[1]), names, problems);
}

function choose(
  token: unknown,
  file: unknown,
  [tokenPath, filePath]: readonly [string, string],
  problems: string[],
): TokenOption | undefined {
  if (token !== undefined && file !== undefined) {
    problems.push(`${tokenPath}: (not shown) (expected: not together with ${filePath})`);
  }
  if (file !== undefined) {
    if (typeof file !== 'string' || file === '' || file.includes('\0')) {
      problems.push(`${filePath}: (not shown) (expected: the path of a file)`);
      return undefined;
    }
    return { kind: 'file', path: file };
  }
  if (token === undefined || token === '') return undefined;
  if (typeof token === 'function') return { kind: 'function', get: token as () => string | Promise<string> };
  if (typeof token !== 'string') problems.push(`${tokenPath}: ${typeof token} (expected: a string or a function)`);
  else if (!isHeaderSafe(token)) problems.push(`${tokenPath}: (not shown) (expected: printable ASCII without spaces)`);
  return { kind: 'function', get: () => String(token) };
}

/** What may stand in a header as it is; anything else would split or break the request. */
function isHeaderSafe(token: string): boolean {
  return /^[\x21-\x7e]+$/.test(token);
}

/** Where the token of a request comes from. Asked once for each request. */
interface TokenSource {
  /** Never rejects and never hangs; a reason holds nothing of a token. An empty token means: send none. */
  read(): Promise<TokenReading>;
}

export type TokenReading =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'failure'; readonly reason: string };

const TIME_LIMIT_MS = 5000;
const FILE_LIMIT_BYTES = 64 * 1024;

export function createTokenSource(
  option: TokenOption | undefined,
  deps: Pick<Runtime, 'clock' | 'logger'>,
): TokenSource {
  if (option === undefined) return { read: () => Promise.resolve({ kind: 'token', token: '' }) };
  return option.kind === 'file' ? fromFile(option.path, deps) : fromFunction(option.get, deps);
}

function fromFunction(get: () => string | Promise<string>, { clock }: Pick<Runtime, 'clock' | 'logger'>): TokenSource {
  const ask = async (): Promise<TokenReading> => {
    let token: unknown;
    try {
      token = await get();
    } catch {
      // Whatever was thrown may hold it.
      return failed('the token could not be had: the function threw');
    }
    if (typeof token !== 'string') return failed('the token could not be had: the function gave no string');
    if (token !== '' && !isHeaderSafe(token)) return failed('the token is not printable ASCII');
    return { kind: 'token', token };
  };
  return { read: () => within(ask(), clock) };
}

/**
 * Read afresh for each request, which follows a file that is written over, renamed over or reached through a link that
 * is swapped, and needs no watching. What cannot be used (gone, empty, half written) leaves the last token in force,
 * since that one may well still be good.
 */
function fromFile(path: string, { clock, logger }: Pick<Runtime, 'clock' | 'logger'>): TokenSource {
  let last: string | undefined;
  let trouble: string | undefined;
  let reading: Promise<TokenReading> | undefined;

  const settle = (found: TokenReading): TokenReading => {
    if (found.kind === 'token') {
      if (trouble !== undefined) logger.info('the token file can be used again', { path });
      trouble = undefined;
      last = found.token;
      return found;
    }
    if (last === undefined) return found;
    if (trouble !== found.reason) {
      logger.warn('the token file cannot be used; the last token stays', { path, reason: found.reason });
    }
    trouble = found.reason;
    return { kind: 'token', token: last };
  };

  return {
    async read() {
      reading ??= readTokenFile(path).finally(() => {
        reading = undefined;
      });
      return settle(await within(reading, clock));
    },
  };
}

async function readTokenFile(path: string): Promise<TokenReading> {
  const expected = '(expected: a file that holds one token)';
  try {
    const entry = await stat(path);
    if (!entry.isFile() || entry.size > FILE_LIMIT_BYTES)
      return failed(`the token file ${path}: no such file ${expected}`);
    const token = (await readFile(path, 'utf8')).trim();
    if (token === '') return failed(`the token file ${path}: empty ${expected}`);
    return isHeaderSafe(token) ? { kind: 'token', token } : failed(`the token file ${path}: (not shown) ${expected}`);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    return failed(`the token file ${path}: ${code} ${expected}`);
  }
}

async function within(asking: Promise<TokenReading>, clock: Clock): Promise<TokenReading> {
  let cancel = (): void => {};
  const late = new Promise<TokenReading>((resolve) => {
    const timer = clock.setTimer(TIME_LIMIT_MS, () =>
      resolve(failed(`the token could not be had: nothing within ${TIME_LIMIT_MS} ms`)),
    );
    cancel = () => timer.cancel();
  });
  try {
    return await Promise.race([asking, late]);
  } finally {
    cancel();
  }
}

function failed(reason: string): TokenReading {
  return { kind: 'failure', reason };
}

/** What a request proves its right with. */
interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  /** What must not be repeated of an answer that echoes them. */
  readonly secrets: readonly string[];
}

/** An empty token, and no `user:password`: nothing is sent. */
export function credentialsOf(token: string, httpAuth: string | undefined): Credentials {
  const password = httpAuth?.slice(httpAuth.indexOf(':') + 1) ?? '';
  return {
    headers: {
      ...(token === '' ? {} : { 'x-consul-token': token }),
      ...(httpAuth === undefined ? {} : { authorization: `Basic ${Buffer.from(httpAuth).toString('base64')}` }),
    },
    secrets: [token, httpAuth ?? '', password],
  };
}
