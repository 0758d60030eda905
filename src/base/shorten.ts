const SHOWN_CHARACTERS = 60;

/** Cuts what is shown of a text. */
export function shorten(text: string): string {
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}...`;
}

/** At most `most` characters: where there are more, the first and the last. */
export function shortenMiddle(text: string, most: number): string {
  if (text.length <= most) return text;
  const half = (most - 3) >> 1;
  return `${text.slice(0, half)}...${text.slice(-half)}`;
}

/** More of a text is not looked at. */
const MOST_CHARACTERS = 1_000;

/** What is shown of a value that may be anything: its first 60 characters, as JSON. Never throws, whatever it does. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  try {
    return shorten(JSON.stringify(typeof value === 'string' ? value.slice(0, MOST_CHARACTERS) : value) ?? typeof value);
  } catch {
    // A circle, a `toJSON` that throws.
    return 'an object that is no plain data';
  }
}

const ERROR_CHARACTERS = 300;

/** What was thrown, which may be anything, in at most 300 characters. Never throws. */
export function showError(error: unknown): string {
  try {
    return (error instanceof Error ? error.message : String(error)).slice(0, ERROR_CHARACTERS);
  } catch {
    return 'of a kind that cannot be shown';
  }
}
