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
    }
    return { kind: 'file', path: String(file) };
  }
  if (token === undefined || token === '') return undefined;
  if (typeof token === 'function') return { kind: 'function', get: token as () => string | Promise<string> };
  if (typeof token !== 'string') problems.push(`${tokenPath}: ${typeof token} (expected: a string or a function)`);
  else if (!isHeaderSafe(token)) problems.push(`${tokenPath}: (not shown) (expected: printable ASCII without spaces)`);
  return { kind: 'function', get: () => String(token) };
}

/** What may stand in a header as it is; anything else would split or break the request. */
export function isHeaderSafe(token: string): boolean {
  return /^[\x21-\x7e]+$/.test(token);
}
