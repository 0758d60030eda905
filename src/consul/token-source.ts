import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../base/clock';
import type { Logger } from '../base/logger';
import { isHeaderSafe, type TokenOption } from './token-option';

/** Where the token of a request comes from. Asked once for each request. */
export interface TokenSource {
  /** Never rejects and never hangs; a reason holds nothing of a token. An empty token means: send none. */
  read(): Promise<TokenReading>;
}

export type TokenReading =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'failure'; readonly reason: string };

export interface TokenSourceDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

const TIME_LIMIT_MS = 5000;
const FILE_LIMIT_BYTES = 64 * 1024;

export function createTokenSource(option: TokenOption | undefined, deps: TokenSourceDeps): TokenSource {
  if (option === undefined) return { read: () => Promise.resolve({ kind: 'token', token: '' }) };
  return option.kind === 'file' ? fromFile(option.path, deps) : fromFunction(option.get, deps);
}

function fromFunction(get: () => string | Promise<string>, { clock }: TokenSourceDeps): TokenSource {
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
 * Read afresh for each request, which follows a file that is written over, renamed over or reached through a link that is
 * swapped, and needs no watching. What cannot be used (gone, empty, half written) leaves the last token in force, since
 * that one may well still be good.
 */
function fromFile(path: string, { clock, logger }: TokenSourceDeps): TokenSource {
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
