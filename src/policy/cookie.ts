/**
 * One cookie as a label: the label `cookie:group` of a call is the value of its cookie `group`. The header as a whole is
 * no label, since it holds credentials. https://www.rfc-editor.org/rfc/rfc6265#section-4.2
 */
const PREFIX = 'cookie:';
/** A token of RFC 9110, at most 128 characters. */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
/** No browser sends as much; nothing beyond is read. */
const MAX_HEADER_CHARACTERS = 16_384;

/** The name in `cookie:name`; undefined for any other key. */
export function cookieNameOf(key: string): string | undefined {
  return key.startsWith(PREFIX) ? key.slice(PREFIX.length) : undefined;
}

export function isCookieName(name: string): boolean {
  return NAME.test(name);
}

/**
 * Each value that cookies of this name have in some `cookie` headers. Names are compared without case, as keys of labels
 * are.
 */
export function cookieValues(headers: readonly (string | Uint8Array)[], name: string): readonly string[] {
  const wanted = name.toLowerCase();
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
