import { isRecord } from '../../base/is-record';
import type { Schema } from '../../policy/schema-parts';
import { yamlPlaceAt } from './yaml-place';

/** Something that may be typed at a place. */
interface Proposal {
  readonly label: string;
  /** What the schema says of it; empty where it says nothing. */
  readonly detail: string;
  /** What is put there, where that is more than the label. */
  readonly insert: string;
  readonly kind: 'key' | 'value';
}

export interface Proposals {
  /** Where the word begins that they replace. */
  readonly from: number;
  readonly all: readonly Proposal[];
}

/** Of a key under the pointer. */
export interface KeyHelp {
  readonly path: string;
  readonly text: string;
}

/**
 * What the schema lets stand at `offset`: keys of the object there, or values of a closed set. `subsets`: names that a
 * destination may have.
 */
export function proposalsAt(schema: Schema, text: string, offset: number, subsets: readonly string[]): Proposals {
  const place = yamlPlaceAt(text, offset);
  if (place === undefined) return { from: offset, all: [] };
  const { from } = place;
  const found = schemaAt(schema, place.path);
  if (found === undefined) return { from, all: [] };
  if (place.isValue) return { from, all: valuesOf(schema, found, place.path, subsets) };
  const properties = propertiesOf(schema, found);
  const keys = Object.entries(properties).filter(([key]) => !place.siblings.includes(key) && key !== '$schema');
  return {
    from,
    all: keys.map(([key, part]) => ({
      label: key,
      detail: describe(schema, resolved(schema, part)),
      insert: `${key}: `,
      kind: 'key',
    })),
  };
}

/** What the schema says of the key that the word at `offset` is. */
export function helpAt(schema: Schema, text: string, offset: number): KeyHelp | undefined {
  const rest = /^[\w$-]*\s*:(?=\s|$)/.exec(text.slice(offset));
  if (rest === null) return undefined;
  const place = yamlPlaceAt(text, offset + rest[0].length);
  const part = place && schemaAt(schema, place.path);
  if (place === undefined || part === undefined) return undefined;
  const path = place.path.join('.').replaceAll('.[]', '[]');
  return { path, text: describe(schema, part) };
}

/** Of the value at a path: keys, and `[]` for items. */
function schemaAt(root: Schema, path: readonly string[]): Schema | undefined {
  let part: Schema | undefined = root;
  for (const step of path) {
    if (part === undefined) return undefined;
    const next: unknown =
      step === '[]' ? part['items'] : (propertiesOf(root, part)[step] ?? part['additionalProperties']);
    part = isRecord(next) ? resolved(root, next) : undefined;
  }
  return part;
}

function resolved(root: Schema, part: Schema): Schema {
  const reference = part['$ref'];
  if (typeof reference !== 'string') return part;
  const definitions = root['definitions'];
  const name = reference.slice('#/definitions/'.length);
  const target = isRecord(definitions) ? definitions[name] : undefined;
  // What stands beside the reference says more of this place.
  return isRecord(target) ? resolved(root, { ...target, ...without(part) }) : part;
}

function without({ $ref: _, ...rest }: Schema): Schema {
  return rest;
}

function propertiesOf(root: Schema, part: Schema): Readonly<Record<string, Schema>> {
  const own = part['properties'];
  if (isRecord(own)) return own as Readonly<Record<string, Schema>>;
  // `off`, or else an object.
  const otherwise = part['else'];
  return isRecord(otherwise) ? propertiesOf(root, resolved(root, otherwise)) : {};
}

/** Keys under which the name of a subset stands. */
const NAMES_SUBSET = new Set(['to', 'default', 'fallback', 'subset', 'canary', 'stable', 'against']);

function valuesOf(root: Schema, part: Schema, path: readonly string[], subsets: readonly string[]): Proposal[] {
  const value = (label: string, detail = ''): Proposal => ({ label, detail, insert: label, kind: 'value' });
  if (NAMES_SUBSET.has(path.at(-1) ?? '')) return subsets.map((name) => value(name));
  if (Array.isArray(part['enum'])) return part['enum'].map((each) => value(String(each)));
  if (part['const'] !== undefined) return [value(String(part['const']))];
  if (part['type'] === 'boolean') return [value('true'), value('false')];
  const then = part['then'];
  const otherwise = part['else'];
  const own = isRecord(then) && then['const'] !== undefined ? [value(String(then['const']))] : [];
  return isRecord(otherwise) ? [...own, ...valuesOf(root, resolved(root, otherwise), path, subsets)] : own;
}

/** `counts the first try; a whole number, 2 to 5`. */
function describe(root: Schema, part: Schema): string {
  const told = [part['description'], part['title'] ?? kindOf(root, part)].filter((each) => typeof each === 'string');
  return told.join('; ');
}

function kindOf(root: Schema, part: Schema): string | undefined {
  if (Array.isArray(part['enum'])) return part['enum'].join(', ');
  const type = part['type'];
  const bounds = boundsOf(part);
  if (type === 'integer') return `a whole number${bounds}`;
  if (type === 'number') return `a number${bounds}`;
  if (type === 'boolean') return 'true or false';
  if (type === 'string') return 'a text';
  if (type === 'array') return 'a list';
  const keys = Object.keys(propertiesOf(root, part));
  if (keys.length > 0) return `an object of ${keys.slice(0, 6).join(', ')}${keys.length > 6 ? ' ...' : ''}`;
  return type === 'object' ? 'an object' : undefined;
}

const UNBOUNDED = 1_000_000;

function boundsOf({ minimum, exclusiveMinimum, maximum }: Schema): string {
  const least = typeof minimum === 'number' ? `${minimum}` : undefined;
  const above = typeof exclusiveMinimum === 'number' ? `above ${exclusiveMinimum}` : undefined;
  const most = typeof maximum === 'number' && maximum < UNBOUNDED ? `${maximum}` : undefined;
  if (most === undefined) return least === undefined ? (above ? `, ${above}` : '') : `, at least ${least}`;
  return `, ${least ?? above ?? ''} to ${most}`;
}
