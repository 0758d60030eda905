/**
 * One cookie as a label: the label `cookie:group` of a call is the value of its cookie `group`. The header as a whole is
 * no label, since it holds credentials. https://www.rfc-editor.org/rfc/rfc6265#section-4.2
 */
export const COOKIE_PREFIX = 'cookie:';
/** A token of RFC 9110, at most 128 characters. */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
/** No browser sends as much; nothing beyond is read. */
const MAX_HEADER_CHARACTERS = 16_384;

/** `cookie:` and a name, in lower case. */
export function isCookieKey(key: string): boolean {
  return key.startsWith(COOKIE_PREFIX);
}

/** What is wrong with such a key, as what was expected instead. */
export function cookieKeyFault(key: string): string | undefined {
  return NAME.test(key.slice(COOKIE_PREFIX.length)) ? undefined : 'cookie: and the name of a cookie';
}

/**
 * Each value that the cookie of such a key has in some `cookie` headers. Names are compared without case, as keys of
 * labels are.
 */
export function cookieValues(headers: readonly (string | Uint8Array)[], key: string): readonly string[] {
  const wanted = key.slice(COOKIE_PREFIX.length);
  const values: string[] = [];
  for (const header of headers) {
    if (typeof header !== 'string' || header.length > MAX_HEADER_CHARACTERS) continue;
    for (const pair of header.split(';')) {
      const at = pair.indexOf('=');
      if (at >= 0 && pair.slice(0, at).trim().toLowerCase() === wanted)
        values.push(unquoted(pair.slice(at + 1).trim()));
    }
  }
  return values;
}

/** A value may stand in quotes, which are no part of it. */
function unquoted(value: string): string {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}
