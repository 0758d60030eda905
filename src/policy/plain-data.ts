import { MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_KEY_CHARACTERS } from './limits';
import { note, type ProblemList } from './problems';

/** No document within the size limit has more: each value takes at least two characters of JSON. */
const MAX_VALUES = MAX_DOCUMENT_BYTES / 2;

const PLAIN_TAGS: ReadonlySet<string> = new Set(['Object', 'Array', 'String', 'Number', 'Boolean', 'Null']);

/**
 * A copy that is plain data: own enumerable keys only, undefined left out, nothing shared with the caller. Keys such as
 * `__proto__` become ordinary properties of the copy; dates, functions and the like are reported and left out.
 * Undefined when the value is too deep (a cycle is) or too large, which is reported too.
 */
export function copyPlainData(value: unknown, problems: ProblemList): unknown {
  let values = 0;
  let refused = false;
  // One list for the current path: most values are sound, and their path is never asked for.
  const path: (string | number)[] = [];
  const copy = (source: unknown): unknown => {
    if (refused || source === undefined) return undefined;
    if (typeof source === 'string' || typeof source === 'number' || typeof source === 'boolean') return source;
    // By tag, since objects may come from another realm (Jest). A Date or a Map must not pass for an empty object.
    const tag = Object.prototype.toString.call(source).slice('[object '.length, -1);
    if (!PLAIN_TAGS.has(tag)) {
      problems.report(path, note(`a ${tag}`), 'plain data');
      return undefined;
    }
    if (typeof source !== 'object' || source === null) return source;
    if (path.length >= MAX_DEPTH) {
      problems.report(path, note('nested deeper'), `at most ${MAX_DEPTH} levels`);
      refused = true;
      return undefined;
    }
    const keys = Array.isArray(source) ? undefined : Object.keys(source);
    values += keys?.length ?? (source as readonly unknown[]).length;
    if (values > MAX_VALUES) {
      problems.report([], note(`more than ${MAX_VALUES} values`), `at most ${MAX_DOCUMENT_BYTES} bytes`);
      refused = true;
      return undefined;
    }
    if (keys === undefined) return (source as readonly unknown[]).map((item, index) => copyAt(index, item));
    const target = {};
    for (const key of keys) {
      if (key.length > MAX_KEY_CHARACTERS) {
        const expected = `at most ${MAX_KEY_CHARACTERS} characters`;
        problems.report([...path, key], note(`a key of ${key.length} characters`), expected);
        continue;
      }
      const copied = copyAt(key, (source as Readonly<Record<string, unknown>>)[key]);
      if (copied !== undefined) setOwn(target, key, copied);
    }
    return target;
  };
  const copyAt = (part: string | number, item: unknown): unknown => {
    path.push(part);
    const copied = copy(item);
    path.pop();
    return copied;
  };
  const plain = copy(value);
  return refused ? undefined : plain;
}

/** The JSON of plain data with keys sorted at every level: equal documents have equal text. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  let text = '';
  if (Array.isArray(value)) {
    for (const item of value) text += `${text === '' ? '' : ','}${canonicalJson(item)}`;
    return `[${text}]`;
  }
  for (const key of Object.keys(value).sort()) {
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson((value as Record<string, unknown>)[key])}`;
  }
  return `{${text}}`;
}

/** Freezes everything that is reachable, cycles included. Maps and Sets keep their contents open: types guard those. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const key of Object.keys(value)) {
    const item = (value as Readonly<Record<string, unknown>>)[key];
    if (typeof item === 'object') deepFreeze(item);
  }
  return value;
}

/** Own property of a plain object; never what a prototype says of `constructor` and the like. */
export function ownValue(record: unknown, key: string): unknown {
  if (typeof record !== 'object' || record === null || !Object.hasOwn(record, key)) return undefined;
  return (record as Readonly<Record<string, unknown>>)[key];
}

/** Assigning to `__proto__` would set the prototype instead; for other keys it is the same, and faster. */
function setOwn(target: Record<string, unknown>, key: string, value: unknown): void {
  if (!(key in target)) target[key] = value;
  else Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Bytes that a text takes in UTF-8. */
export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}
