import type { DocumentPath } from './document-path';
import { MAX_DEPTH, MAX_DOCUMENT_BYTES } from './limits';
import { note, type ProblemList } from './problems';

/** No document within the size limit has more: each value takes at least two characters of JSON. */
const MAX_VALUES = MAX_DOCUMENT_BYTES / 2;

const PLAIN_TAGS: ReadonlySet<string> = new Set(['Object', 'Array', 'String', 'Number', 'Boolean', 'Null']);

/**
 * A copy that is plain data: own enumerable keys only, undefined left out, nothing shared with the caller. Keys such as
 * `__proto__` become ordinary properties of the copy; dates, functions and the like are reported and left out. Undefined
 * when the value is too deep (a cycle is) or too large, which is reported too.
 */
export function copyPlainData(value: unknown, problems: ProblemList): unknown {
  let values = 0;
  let refused = false;
  const copy = (source: unknown, path: DocumentPath): unknown => {
    if (refused || source === undefined) return undefined;
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
    const entries = Array.isArray(source) ? [...source.entries()] : Object.entries(source);
    values += entries.length;
    if (values > MAX_VALUES) {
      problems.report([], note(`more than ${MAX_VALUES} values`), `at most ${MAX_DOCUMENT_BYTES} bytes`);
      refused = true;
      return undefined;
    }
    if (Array.isArray(source)) return source.map((item, index) => copy(item, [...path, index]));
    const target = {};
    for (const [key, item] of entries) {
      const copied = copy(item, [...path, String(key)]);
      if (copied !== undefined) setOwn(target, String(key), copied);
    }
    return target;
  };
  const plain = copy(value, []);
  return refused ? undefined : plain;
}

/** The JSON of plain data with keys sorted at every level: equal documents have equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const pairs = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`);
  return `{${pairs.join(',')}}`;
}

/** Freezes everything that is reachable, cycles included. Maps and Sets keep their contents open: types guard those. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const item of Object.values(value)) deepFreeze(item);
  return value;
}

/** Own property of a plain object; never what a prototype says of `constructor` and the like. */
export function ownValue(record: unknown, key: string): unknown {
  if (typeof record !== 'object' || record === null || !Object.hasOwn(record, key)) return undefined;
  return (record as Readonly<Record<string, unknown>>)[key];
}

/** Assigning to `__proto__` would set the prototype instead. */
function setOwn(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}
