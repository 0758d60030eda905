import { isRecord } from '../../base/is-record';
import { showValue } from '../../base/shorten';
import { nearest } from '../../base/spelling';
import { ownValue } from '../plain-data';
import { policySchema } from '../policy-schema';
import { type DocumentPath, MISSING, note, type ProblemList } from '../problems';
import type { Schema } from '../schema-parts';
import { checkJsonSchema, definitionOf, type Violation } from './json-schema';

export interface StructureRules {
  readonly schema: Schema;
  /** What to write instead of keys that people bring along from elsewhere. Case, `_` and `-` make no difference. */
  readonly synonyms: Readonly<Record<string, string>>;
  /** How a violation is described where this schema uses a keyword in its own way; undefined: as any other. */
  describe(violation: Violation): { readonly value: unknown; readonly expected: string } | undefined;
}

/**
 * Checks a document against a JSON Schema and reports all that does not fit. Returns where values of a wrong type
 * stand.
 */
export function checkStructure(
  document: unknown,
  rules: StructureRules,
  problems: ProblemList,
): readonly DocumentPath[] {
  const ofWrongType: DocumentPath[] = [];
  checkJsonSchema(rules.schema, document, (violation) => {
    if (violation.keyword === 'type') ofWrongType.push(violation.path);
    if (problems.isFull) problems.more();
    else report(violation, rules, problems);
  });
  return ofWrongType;
}

function report(violation: Violation, rules: StructureRules, problems: ProblemList): void {
  const { keyword, path, schema, value, key = '', name } = violation;
  const described = rules.describe(violation);
  if (described !== undefined) {
    problems.report(path, described.value, described.expected);
    return;
  }
  switch (keyword) {
    case 'if':
    case 'propertyNames':
      // Each comes with another violation that says what is wrong.
      return;
    case 'additionalProperties':
      problems.report([...path, key], ownValue(value, key), adviseOnKey(key, schema, rules.synonyms));
      return;
    case 'required':
      problems.report([...path, key], MISSING, describeSchema(propertiesOf(schema)[key]));
      return;
    default:
      if (name !== undefined) problems.report([...path, name], note('this name'), expectationOf(violation));
      else if (keyword !== 'maxItems') problems.report(path, value, expectationOf(violation));
      else problems.report(path, note(`${(value as unknown[]).length} entries`), expectationOf(violation));
  }
}

/** The object schema that `schema` stands for: references followed, and of `off or an object` the object. */
function resolveSchema(schema: unknown): Schema {
  if (!isRecord(schema)) return {};
  if ('$ref' in schema) return resolveSchema(definitionOf(policySchema, schema['$ref']));
  return 'else' in schema ? resolveSchema(schema['else']) : schema;
}

/** Keys that an object schema knows, and the schema of each. */
export function propertiesOf(schema: unknown): Schema {
  const properties = resolveSchema(schema)['properties'];
  return isRecord(properties) ? properties : {};
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
};

/** What a schema keyword that failed would have accepted: `>= 0`, `one of subset, datacenter`. */
function expectationOf({ keyword, schema, value, limit: said }: Violation): string {
  const limit = showValue(said);
  switch (keyword) {
    case 'type': {
      // What is the one word or an object.
      if ('if' in schema && typeof schema['title'] === 'string') return schema['title'];
      // In YAML `true` and `12` are no text unless they are quoted.
      const isUnquoted = [said].flat().includes('string') && (typeof value === 'boolean' || typeof value === 'number');
      return describeTypes(said) + (isUnquoted ? '; put it in quotes' : hintFor([said].flat(), value));
    }
    case 'minimum':
      return `>= ${limit}`;
    case 'maximum':
      return `<= ${limit}`;
    case 'exclusiveMinimum':
      return `> ${limit}`;
    case 'exclusiveMaximum':
      return `< ${limit}`;
    case 'const':
      return String(said);
    case 'enum': {
      const names = (said as unknown[]).map(String);
      const meant = typeof value === 'string' ? nearest(value, names) : undefined;
      return `one of ${names.join(', ')}${meant === undefined ? '' : `; did you mean ${meant}?`}`;
    }
    case 'minLength':
      return 'a text that is not empty';
    case 'maxLength':
      return `at most ${limit} characters`;
    case 'pattern':
      return typeof schema['title'] === 'string' ? schema['title'] : limit;
    case 'minItems':
    case 'minProperties':
      return `at least ${limit} of them`;
    case 'maxItems':
      return `at most ${limit}`;
    case 'uniqueItems':
      return 'none given twice';
    case 'maxProperties':
      return `must NOT have more than ${limit} properties`;
    default:
      return 'something else';
  }
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000 };

/** How a text is written that says the right thing in the wrong form: `"25%"`, `800ms`, one tag without its list. */
function hintFor(types: readonly unknown[], value: unknown): string {
  if (typeof value !== 'string') return '';
  const isNumber = types.includes('number') || types.includes('integer');
  if (types.join() === 'array' && /^[\w.-]+$/.test(value)) return `; write [${value}]`;
  const [, digits, unit = ''] = (isNumber && /^\s*(-?\d+(?:\.\d+)?)\s*(%|ms|s|m|min|h)?\s*$/.exec(value)) || [];
  if (digits === undefined) return '';
  const ms = UNIT_MS[unit];
  return ms === undefined ? `; write ${digits}` : `; in milliseconds ${Number(digits) * ms}`;
}

/** What may stand at a place where nothing does. */
function describeSchema(schema: unknown): string {
  const resolved = resolveSchema(schema);
  if (typeof resolved['title'] === 'string') return resolved['title'];
  if ('const' in resolved) return String(resolved['const']);
  // A choice has no type of its own to be described by.
  if (Array.isArray(resolved['enum'])) return `one of ${resolved['enum'].join(', ')}`;
  return describeTypes(resolved['type']);
}

function describeTypes(types: unknown): string {
  return [types]
    .flat()
    .map((type) => TYPE_WORDS[String(type)] ?? String(type))
    .join(' or ');
}

/**
 * What to write in place of a key that the object does not have: where it belongs, what it is called here, which
 * key was probably meant, or else which keys there are.
 */
function adviseOnKey(key: string, objectSchema: Schema, synonyms: StructureRules['synonyms']): string {
  const known = propertiesOf(objectSchema);
  const names = Object.keys(known);
  const sameWord = names.find((name) => fold(name).replace(/s$/, '') === fold(key).replace(/s$/, ''));
  if (sameWord !== undefined) return `a known key; did you mean ${sameWord}?`;
  const home = names.find((name) => Object.hasOwn(propertiesOf(known[name]), key));
  if (home !== undefined) return `a known key; ${key} stands inside ${home}`;
  const synonym = Object.entries(synonyms).find(([other]) => fold(other) === fold(key))?.[1];
  if (synonym !== undefined) return `a known key; ${synonym}`;
  const meant = nearest(key, names);
  if (meant !== undefined) return `a known key; did you mean ${meant}?`;
  return `a known key: ${names.filter((name) => name !== '$schema').join(', ')}`;
}

function fold(key: string): string {
  return key.toLowerCase().replace(/[_-]/g, '');
}
