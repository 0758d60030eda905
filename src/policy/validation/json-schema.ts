import { isRecord } from '../../base/is-record';
import { canonicalJson, ownValue } from '../plain-data';
import type { DocumentPath } from '../problems';
import type { Schema } from '../schema-parts';

/** One keyword of a schema that a value does not satisfy. */
export interface Violation {
  readonly keyword: string;
  /** Where the value is. */
  readonly path: DocumentPath;
  readonly value: unknown;
  /** What the keyword says. */
  readonly limit: unknown;
  /** The schema that the keyword stands in. */
  readonly schema: Schema;
  /** Of `required` and `additionalProperties`: the key that is missing, or unknown. */
  readonly key?: string;
  /** When the value is the name of a key, checked by `propertyNames`: that name. */
  readonly name?: string;
}

/** Every keyword that checks something besides the type, in the order in which ajv checks them. */
const KEYWORDS: readonly string[] = [
  ...['maximum', 'minimum', 'exclusiveMaximum', 'exclusiveMinimum', 'maxLength', 'minLength', 'pattern'],
  ...['$ref', 'const', 'enum', 'anyOf', 'oneOf', 'allOf', 'if'],
  ...['maxItems', 'minItems', 'items', 'uniqueItems'],
  ...['maxProperties', 'minProperties', 'required', 'propertyNames', 'additionalProperties', 'properties'],
];
/** Keywords that check nothing by themselves. */
const SILENT: readonly string[] = ['$schema', '$id', 'title', 'description', 'definitions', 'type', 'then', 'else'];

/** The keywords of each schema object in order, worked out once: the schemas are few and never change. */
const known = new WeakMap<Schema, readonly string[]>();
const expressions = new Map<string, RegExp>();

/**
 * Checks `document` against a JSON Schema of draft 7 and reports every violation, in a fixed order: limits of a value
 * before its parts, a list and the keys of an object in their own order, properties in the order of the schema.
 * Knows the keywords that the schemas of this project use; a schema with another one throws. Of `oneOf` and `anyOf`
 * only the keyword itself is reported, not its alternatives; of a value of a wrong type, nothing but its type.
 *
 * The schema is read as data, so nothing is compiled when the first document comes, and no code is made from strings.
 * It is few functions for the same reason: what a first policy costs is mostly that its functions run for the first
 * time.
 */
export function checkJsonSchema(root: Schema, document: unknown, report: (violation: Violation) => void): void {
  const path: (string | number)[] = [];
  let name: string | undefined;
  let violations = 0;
  /** Above 0 while it is only asked whether a value fits. */
  let asking = 0;

  const violate = (schema: Schema, keyword: string, value: unknown, key?: string): void => {
    violations += 1;
    if (asking > 0) return;
    const named = { ...(key !== undefined && { key }), ...(name !== undefined && { name }) };
    report({ keyword, path: [...path], value, limit: schema[keyword], schema, ...named });
  };

  const accepts = (schema: unknown, value: unknown): boolean => {
    const before = violations;
    asking += 1;
    check(schema as Schema, value);
    asking -= 1;
    const isAccepted = violations === before;
    violations = before;
    return isAccepted;
  };

  const checkPart = (schema: unknown, value: unknown, part: string | number): void => {
    path.push(part);
    check(schema as Schema, value);
    path.pop();
  };

  const check = (schema: Schema, value: unknown): void => {
    const keywords = known.get(schema) ?? keywordsOf(schema);
    const { type } = schema;
    if (type !== undefined && !isOfType(value, type)) {
      violate(schema, 'type', value);
      return;
    }
    for (const keyword of keywords) {
      const said = schema[keyword];
      switch (keyword) {
        case '$ref':
          check(definitionOf(root, said), value);
          break;
        case 'anyOf':
          if (!(said as Schema[]).some((one) => accepts(one, value))) violate(schema, keyword, value);
          break;
        case 'oneOf':
          if ((said as Schema[]).filter((one) => accepts(one, value)).length !== 1) violate(schema, keyword, value);
          break;
        case 'allOf':
          for (const one of said as Schema[]) check(one, value);
          break;
        case 'if': {
          const before = violations;
          const branch = schema[accepts(said, value) ? 'then' : 'else'];
          if (branch !== undefined) check(branch as Schema, value);
          if (violations > before) violate(schema, keyword, value);
          break;
        }
        case 'items':
          if (Array.isArray(value)) for (const [index, item] of value.entries()) checkPart(said, item, index);
          break;
        case 'required':
          if (!isRecord(value)) break;
          for (const key of said as string[]) {
            if (ownValue(value, key) === undefined) violate(schema, keyword, value, key);
          }
          break;
        case 'propertyNames':
          if (!isRecord(value)) break;
          for (const key of Object.keys(value)) {
            const before = violations;
            name = key;
            check(said as Schema, key);
            name = undefined;
            if (violations > before) violate(schema, keyword, value);
          }
          break;
        case 'additionalProperties':
          if (!isRecord(value)) break;
          for (const key of Object.keys(value)) {
            if (ownValue(schema['properties'], key) !== undefined) continue;
            if (said === false) violate(schema, keyword, value, key);
            else checkPart(said, value[key], key);
          }
          break;
        case 'properties':
          if (!isRecord(value)) break;
          for (const key of Object.keys(said as Schema)) {
            const item = ownValue(value, key);
            if (item !== undefined) checkPart((said as Schema)[key], item, key);
          }
          break;
        default:
          if (!isWithin(keyword, said, value, schema)) violate(schema, keyword, value);
      }
    }
  };
  check(root, document);
}

/** The definition that a reference names. */
export function definitionOf(root: Schema, reference: unknown): Schema {
  return ownValue(root['definitions'], String(reference).slice('#/definitions/'.length)) as Schema;
}

/** Whether a value meets a keyword that looks at nothing but the value itself. */
function isWithin(keyword: string, said: unknown, value: unknown, schema: Schema): boolean {
  if (keyword === 'const') return value === said;
  if (keyword === 'enum') return (said as unknown[]).includes(value);
  const limit = Number(said);
  if (typeof value === 'number') {
    switch (Number.isFinite(value) ? keyword : '') {
      case 'maximum':
        return value <= limit;
      case 'minimum':
        return value >= limit;
      case 'exclusiveMaximum':
        return value < limit;
      case 'exclusiveMinimum':
        return value > limit;
    }
  } else if (typeof value === 'string') {
    switch (keyword) {
      // In characters, not in UTF-16 units.
      case 'maxLength':
        return [...value].length <= limit;
      case 'minLength':
        return [...value].length >= limit;
      case 'pattern': {
        const pattern = String(said);
        const expression = expressions.get(pattern) ?? new RegExp(pattern, 'u');
        expressions.set(pattern, expression);
        return expression.test(value);
      }
    }
  } else if (Array.isArray(value)) {
    if (keyword === 'maxItems') return value.length <= limit;
    if (keyword === 'minItems') return value.length >= limit;
    if (keyword === 'uniqueItems') {
      // Where items have to be of one simple type, whatever is none has been reported as such.
      const type = ownValue(schema['items'], 'type');
      const isSimple = type === 'string' || type === 'integer';
      const items = isSimple ? value.filter((item) => isOfType(item, type)) : value.map(canonicalJson);
      return new Set(items).size === items.length;
    }
  } else if (isRecord(value)) {
    if (keyword === 'maxProperties') return Object.keys(value).length <= limit;
    if (keyword === 'minProperties') return Object.keys(value).length >= limit;
  }
  return true;
}

function keywordsOf(schema: Schema): readonly string[] {
  const keywords = KEYWORDS.filter((keyword) => keyword in schema);
  const unknown = Object.keys(schema).find((keyword) => !keywords.includes(keyword) && !SILENT.includes(keyword));
  if (unknown !== undefined) throw new Error(`schema: ${unknown} (expected: one of ${KEYWORDS.join(', ')})`);
  known.set(schema, keywords);
  return keywords;
}

/** `type`: one, or a list of those that may be. */
function isOfType(value: unknown, type: unknown): boolean {
  if (Array.isArray(type)) return type.some((one) => isOfType(value, one));
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'number') return Number.isFinite(value);
  if (type === 'array') return Array.isArray(value);
  return type === 'object' ? isRecord(value) : typeof value === type;
}
