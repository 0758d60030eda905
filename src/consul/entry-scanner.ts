const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Where the entries of a JSON array of objects begin and end, found without parsing them. Every function takes a position in
 * bytes and gives the next one, or -1 when the text is not of that shape; what is between the braces is not judged.
 */

/** Behind the opening bracket, at the first entry or the closing bracket. */
export function enterArray(body: Buffer): number {
  const at = skipSpace(body, 0);
  return body[at] === OPEN_BRACKET ? skipSpace(body, at + 1) : -1;
}

/** Behind the brace that closes the object that begins at `start`. */
export function entryEnd(body: Buffer, start: number): number {
  if (body[start] !== OPEN_BRACE) return -1;
  let depth = 0;
  for (let at = start; at < body.length; at += 1) {
    const byte = body[at];
    if (byte === QUOTE) {
      at = stringEnd(body, at);
      if (at < 0) return -1;
    } else if (byte === OPEN_BRACE) depth += 1;
    else if (byte === CLOSE_BRACE) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}

/** From behind an entry to the beginning of the next one, or to the closing bracket. */
export function nextEntry(body: Buffer, end: number): number {
  const at = skipSpace(body, end);
  if (body[at] === CLOSE_BRACKET) return at;
  if (body[at] !== COMMA) return -1;
  const next = skipSpace(body, at + 1);
  return body[next] === OPEN_BRACE ? next : -1;
}

export function isArrayEnd(body: Buffer, at: number): boolean {
  return body[at] === CLOSE_BRACKET;
}

/** Whether nothing but space follows the closing bracket. */
export function endsThere(body: Buffer, at: number): boolean {
  return skipSpace(body, at + 1) === body.length;
}

/** At the quote that closes the string whose opening quote is at `start`. */
function stringEnd(body: Buffer, start: number): number {
  for (let at = start + 1; at < body.length; at += 1) {
    const byte = body[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at += 1;
  }
  return -1;
}

function skipSpace(body: Buffer, from: number): number {
  let at = from;
  while (body[at] === 0x20 || body[at] === 0x0a || body[at] === 0x0d || body[at] === 0x09) at += 1;
  return at;
}
