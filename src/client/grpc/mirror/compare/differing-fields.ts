import { ownValue } from '../../../../policy/plain-data';

/** Two answers are told apart by so many fields at most. */
const MOST_FIELDS = 100;
const MOST_DEPTH = 32;
const LONGEST_PATH = 256;
/** What may be the name of a field. Other keys are data, which nobody may see. */
const FIELD_NAME = /^[A-Za-z_$][\w$]{0,127}$/;
const ANY = '*';
/** In place of a path, where the whole answer is another. */
export const WHOLE: string = '(message)';

/** The fields that two answers need not agree in. */
export interface IgnoredFields {
  has(path: readonly string[]): boolean;
}

/**
 * Reads what `compare.ignore` says: `updated_at`, `items.*.id`. A field is named as in the .proto file or as in code:
 * case and underscores do not count.
 */
export function parseIgnored(patterns: readonly string[]): IgnoredFields {
  const parsed = patterns.map((pattern) => pattern.split('.').map(plain));
  return {
    has: (path) =>
      parsed.some(
        (pattern) =>
          pattern.length === path.length &&
          pattern.every((part, at) => part === ANY || part === plain(path[at] as string)),
      ),
  };
}

/** What is known of the fields of an answer. */
export interface FieldNames {
  /** Whether fields of this name are maps, whose keys are data. */
  isMap(field: string): boolean;
  /**
   * False: a map may look like a message. Then a key is shown only where both answers have it, as both have all fields
   * of a message.
   */
  readonly areMapsKnown: boolean;
}

/** The name of a field, the same as it is in its file and in code: `createdAt` and `created_at`. */
export function plain(name: string): string {
  return name.replaceAll('_', '').toLowerCase();
}

/**
 * The fields in which two decoded messages differ, as `total.amount` or `items.*.id`: names, never values. Items of
 * lists and the keys of maps are `*`. Lists of other lengths differ as a whole.
 */
export function differingFields(
  one: unknown,
  other: unknown,
  ignored: IgnoredFields,
  names: FieldNames,
): ReadonlySet<string> {
  const found = new Set<string>();
  const path: string[] = [];
  const visit = (name: string, a: unknown, b: unknown, isData: boolean): void => {
    path.push(isData || !FIELD_NAME.test(name) ? ANY : name);
    if (!ignored.has(path)) compare(a, b, names.isMap(name));
    path.pop();
  };
  const compare = (a: unknown, b: unknown, isMap: boolean): void => {
    if (found.size >= MOST_FIELDS || Object.is(a, b)) return;
    if (path.length >= MOST_DEPTH) differs();
    else if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
      for (let at = 0; at < a.length; at += 1) visit(ANY, a[at], b[at], true);
    } else if (a instanceof Map && b instanceof Map) {
      for (const key of new Set([...a.keys(), ...b.keys()])) visit(ANY, a.get(key), b.get(key), true);
    } else if (isMessage(a) && isMessage(b)) {
      const isName = (key: string): boolean =>
        !isMap && (names.areMapsKnown || (Object.hasOwn(a, key) && Object.hasOwn(b, key)));
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
        visit(key, ownValue(a, key), ownValue(b, key), !isName(key));
      }
    } else if (!areSame(a, b)) differs();
  };
  const differs = (): void => {
    found.add(path.length === 0 ? WHOLE : path.join('.').slice(0, LONGEST_PATH));
  };
  compare(plainObject(one), plainObject(other), false);
  return found;
}

/** Messages of google-protobuf hide their fields behind getters. */
function plainObject(message: unknown): unknown {
  const { toObject } = (message ?? {}) as { readonly toObject?: unknown };
  return typeof toObject === 'function' ? toObject.call(message) : message;
}

function isMessage(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Map) return false;
  return !(value instanceof Uint8Array) && !isLeaf(value);
}

/** A 64-bit number as `long` has it, or a time. */
function isLeaf(value: object): boolean {
  return value instanceof Date || (Object.hasOwn(value, 'low') && Object.hasOwn(value, 'unsigned'));
}

/** Of what is no message and no list on both sides. */
function areSame(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
  return typeof a === 'object' && typeof b === 'object' && a && b ? isLeaf(a) && isLeaf(b) && `${a}` === `${b}` : false;
}
