/** What Consul takes as one value. https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file/general */
export const MAX_LIST_BYTES: number = 512 * 1024;
/** Longer label values are matched by nothing that reads a list. */
const MAX_VALUE_CHARACTERS = 1_024;

/** A list of values that lives beside policies, for those that are too many for a document. Immutable. */
export class ValueList {
  readonly #values: ReadonlySet<string>;
  /** Made when it is first asked for. */
  #lowerCase: ReadonlySet<string> | undefined;

  constructor(values: Iterable<string>) {
    this.#values = new Set(values);
  }

  get size(): number {
    return this.#values.size;
  }

  has(value: string): boolean {
    return this.#values.has(value);
  }

  hasIgnoringCase(value: string): boolean {
    this.#lowerCase ??= new Set([...this.#values].map((each) => each.toLowerCase()));
    return this.#lowerCase.has(value.toLowerCase());
  }

  [Symbol.iterator](): IterableIterator<string> {
    return this.#values.values();
  }
}

/** What is known of each list, by name; undefined: nothing yet, so that nothing is in it. */
export type ValueLists = Pick<ReadonlyMap<string, ValueList>, 'get'>;

/** Where nobody gives lists. */
export const NO_LISTS: ValueLists = new Map();

export const LIST_NAME: RegExp = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/**
 * Reads a list: a value a line, where empty lines and lines that begin with `#` do not count, or a JSON list of texts.
 * A string says what is wrong, as `line 3: 2000 characters (expected: at most 1024)`.
 */
export function parseValueList(text: string): ValueList | string {
  if (text.length > MAX_LIST_BYTES) return `${text.length} characters (expected: at most ${MAX_LIST_BYTES})`;
  if (text.trimStart().startsWith('[')) return parseJsonList(text);
  const values: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const value = line.trim();
    if (value === '' || value.startsWith('#')) continue;
    if (value.length > MAX_VALUE_CHARACTERS) return tooLong(`line ${index + 1}`, value);
    values.push(value);
  }
  return new ValueList(values);
}

function parseJsonList(text: string): ValueList | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return `${error instanceof Error ? error.message.slice(0, 120) : 'no JSON'} (expected: a JSON list of texts)`;
  }
  const values: readonly unknown[] = Array.isArray(parsed) ? parsed : [];
  for (const [index, value] of values.entries()) {
    if (typeof value !== 'string') return `[${index}]: ${typeof value} (expected: a text)`;
    if (value.length > MAX_VALUE_CHARACTERS) return tooLong(`[${index}]`, value);
  }
  return new ValueList(values as readonly string[]);
}

function tooLong(where: string, value: string): string {
  return `${where}: ${value.length} characters (expected: at most ${MAX_VALUE_CHARACTERS})`;
}
