import { isRecord } from '../../base/is-record';
import { showError } from '../../base/shorten';
import { MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_KEY_CHARACTERS } from '../limits';
import { ownValue, utf8Length } from '../plain-data';
import { note, type ProblemList } from '../problems';

/** No document within the size limit has more: each value takes at least two characters of JSON. */
const MAX_VALUES = MAX_DOCUMENT_BYTES / 2;

const PLAIN_TAGS: ReadonlySet<string> = new Set(['Object', 'Array', 'String', 'Number', 'Boolean', 'Null']);

/**
 * A plain copy that shares nothing with what was given, whatever that is; undefined, with the reason reported, when it
 * is no document at all. Never throws. `noun` is what such a document is called.
 */
export function copyDocument(
  value: unknown,
  noun: string,
  problems: ProblemList,
): Readonly<Record<string, unknown>> | undefined {
  if (value === null || value === undefined || value === '') {
    problems.report([], value === '' ? note('blank') : value, `a ${noun} document`);
    return undefined;
  }
  let copy: unknown;
  try {
    copy = copyPlainData(value, problems);
  } catch (error) {
    // Getters and proxies of an inline object may do as they like.
    problems.report([], note('unreadable'), `plain data; ${showError(error)}`);
    return undefined;
  }
  if (!isRecord(copy)) {
    if (problems.problems.length === 0) problems.report([], copy, 'an object');
    return undefined;
  }
  const text = JSON.stringify(copy);
  // A character takes three bytes at most.
  if (3 * text.length > MAX_DOCUMENT_BYTES && utf8Length(text) > MAX_DOCUMENT_BYTES) {
    problems.report([], note(`${utf8Length(text)} bytes as JSON`), `at most ${MAX_DOCUMENT_BYTES} bytes`);
    return undefined;
  }
  return copy;
}

/**
 * A copy that is plain data: own enumerable keys only, undefined left out, nothing shared with the caller. Keys such as
 * `__proto__` become ordinary properties of the copy; dates, functions and the like are reported and left out.
 * Undefined when the value is too deep (a cycle is) or too large, which is reported too.
 */
function copyPlainData(value: unknown, problems: ProblemList): unknown {
  let values = 0;
  let isRefused = false;
  // One list for the current path: most values are sound, and their path is never asked for.
  const path: (string | number)[] = [];
  const refuse = (at: readonly string[] | typeof path, found: string, expected: string): void => {
    problems.report(at, note(found), expected);
    isRefused = true;
  };
  const copy = (source: unknown): unknown => {
    if (isRefused || source === undefined) return undefined;
    if (typeof source === 'string' || typeof source === 'number' || typeof source === 'boolean') return source;
    // By tag, since objects may come from another realm (Jest). A Date or a Map must not pass for an empty object.
    const tag = Object.prototype.toString.call(source).slice('[object '.length, -1);
    if (!PLAIN_TAGS.has(tag)) return problems.report(path, note(`a ${tag}`), 'plain data');
    if (typeof source !== 'object' || source === null) return source;
    if (path.length >= MAX_DEPTH) return refuse(path, 'nested deeper', `at most ${MAX_DEPTH} levels`);
    const isList = Array.isArray(source);
    const keys: readonly unknown[] = isList ? source : Object.keys(source);
    values += keys.length;
    if (values > MAX_VALUES) return refuse([], `more than ${MAX_VALUES} values`, `at most ${MAX_DOCUMENT_BYTES} bytes`);
    const target: Record<string | number, unknown> = isList ? ([] as never) : {};
    for (const [index, name] of keys.entries()) {
      const key = isList ? index : String(name);
      if (typeof key === 'string' && key.length > MAX_KEY_CHARACTERS) {
        const expected = `at most ${MAX_KEY_CHARACTERS} characters`;
        problems.report([...path, key], note(`a key of ${key.length} characters`), expected);
        continue;
      }
      path.push(key);
      const copied = copy((source as Readonly<Record<string | number, unknown>>)[key]);
      path.pop();
      if (copied === undefined && !isList) continue;
      // Assigning to `__proto__` would set the prototype instead; for other keys it is the same, and faster.
      if (isList || !(key in target)) target[key] = copied;
      else Object.defineProperty(target, key, { value: copied, writable: true, enumerable: true, configurable: true });
    }
    return target;
  };
  const plain = copy(value);
  return isRefused ? undefined : plain;
}

/** The rest of a document of a later format cannot be judged: true, with that one reason reported. */
export function isOfLaterFormat(document: unknown, problems: ProblemList): boolean {
  const schema = ownValue(document, 'schema');
  if (typeof schema !== 'number' || !(schema > 1)) return false;
  problems.report(['schema'], schema, '1; this one is written for a newer version of graylane');
  return true;
}
