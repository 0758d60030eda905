import { nearest } from '../../base/spelling';
import { showValue } from '../problems';
import type { Violation } from './json-schema';
import { resolveSchema } from './schema-lookup';

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
};

/** What a schema keyword that failed would have accepted: `>= 0`, `one of subset, datacenter`. */
export function expectationOf({ keyword, schema, value, limit: said }: Violation): string {
  const limit = showValue(said);
  switch (keyword) {
    case 'type':
      return describeTypes(said) + quotingAdvice(said, value);
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
    case 'enum':
      return describeChoice(said, value);
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

/** What may stand at a place where nothing does. */
export function describeSchema(schema: unknown): string {
  const resolved = resolveSchema(schema);
  if (typeof resolved['title'] === 'string') return resolved['title'];
  if ('const' in resolved) return String(resolved['const']);
  // A choice has no type of its own to be described by.
  if (Array.isArray(resolved['enum'])) return `one of ${resolved['enum'].join(', ')}`;
  return describeTypes(resolved['type']);
}

function describeTypes(types: unknown): string {
  const list: readonly unknown[] = Array.isArray(types) ? types : [types];
  return list.map((type) => TYPE_WORDS[String(type)] ?? String(type)).join(' or ');
}

/** In YAML `true` and `12` are no text unless they are quoted. */
function quotingAdvice(types: unknown, value: unknown): string {
  const wantsText = types === 'string' || (Array.isArray(types) && types.includes('string'));
  return wantsText && (typeof value === 'boolean' || typeof value === 'number') ? '; put it in quotes' : '';
}

function describeChoice(choices: unknown, value: unknown): string {
  const names = Array.isArray(choices) ? choices.map(String) : [];
  const meant = typeof value === 'string' ? nearest(value, names) : undefined;
  return `one of ${names.join(', ')}${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}
