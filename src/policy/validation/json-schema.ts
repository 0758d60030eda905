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

type Report = (violation: Violation) => void;
type Path = (string | number)[];

/**
 * Checks `document` against a JSON Schema of draft 7 and reports every violation, in a fixed order: limits of a value
 * before its parts, a list and the keys of an object in their own order, properties in the order of the schema.
 * Knows the keywords that the schemas of this project use; a schema with another one throws. Of `oneOf` and `anyOf`
 * only the keyword itself is reported, not its alternatives.
 *
 * The schema is read as data, so nothing is compiled when the first document comes, and no code is made from strings.
 */
export function checkJsonSchema(root: Schema, document: unknown, report: Report): void {
  new SchemaCheck(root, report).check(root, document);
}

class SchemaCheck {
  readonly #root: Schema;
  readonly #report: Report;
  readonly #path: Path;
  readonly #name: string | undefined;
  #violations = 0;

  constructor(root: Schema, report: Report, path: Path = [], name?: string) {
    this.#root = root;
    this.#report = report;
    this.#path = path;
    this.#name = name;
  }

  /** True when nothing was violated. */
  check(schema: Schema, value: unknown): boolean {
    const before = this.#violations;
    const { types, typeComesLast, of } = keywordsOf(schema);
    const isWrongType = types !== undefined && !types.some((type) => isOfType(value, type));
    if (isWrongType && !typeComesLast) this.#violate(schema, 'type', value);
    const kind = kindOf(value);
    of[kind] ??= CHECKS_OF_KIND[kind].filter((keyword) => keyword in schema);
    for (const keyword of of[kind]) CHECKS[keyword]?.(this, schema, value as never);
    if (isWrongType && typeComesLast) this.#violate(schema, 'type', value);
    return this.#violations === before;
  }

  /** For a check of one keyword: does nothing when `isSatisfied`. */
  hold(isSatisfied: boolean, schema: Schema, keyword: string, value: unknown, key?: string): void {
    if (!isSatisfied) this.#violate(schema, keyword, value, key);
  }

  checkPart(schema: unknown, value: unknown, part: string | number): void {
    this.#path.push(part);
    this.check(schema as Schema, value);
    this.#path.pop();
  }

  /** Checks the name of a key. */
  checkName(schema: Schema, name: string): boolean {
    return new SchemaCheck(this.#root, this.#report, this.#path, name).check(schema, name);
  }

  /** Checks without reporting. */
  accepts(schema: unknown, value: unknown): boolean {
    return new SchemaCheck(this.#root, () => {}).check(schema as Schema, value);
  }

  definition(reference: string): Schema {
    return ownValue(this.#root['definitions'], reference.slice('#/definitions/'.length)) as Schema;
  }

  #violate(schema: Schema, keyword: string, value: unknown, key?: string): void {
    this.#violations += 1;
    this.#report({
      keyword,
      path: [...this.#path],
      value,
      limit: schema[keyword],
      schema,
      ...(key === undefined ? undefined : { key }),
      ...(this.#name === undefined ? undefined : { name: this.#name }),
    });
  }
}

type Check = (run: SchemaCheck, schema: Schema, value: never) => void;

/** Length in characters, not in UTF-16 units. */
function charactersOf(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

const NUMBER_CHECKS: Readonly<Record<string, Check>> = {
  maximum: (run, schema, value: number) => run.hold(value <= Number(schema['maximum']), schema, 'maximum', value),
  minimum: (run, schema, value: number) => run.hold(value >= Number(schema['minimum']), schema, 'minimum', value),
  exclusiveMaximum: (run, schema, value: number) =>
    run.hold(value < Number(schema['exclusiveMaximum']), schema, 'exclusiveMaximum', value),
  exclusiveMinimum: (run, schema, value: number) =>
    run.hold(value > Number(schema['exclusiveMinimum']), schema, 'exclusiveMinimum', value),
};

const STRING_CHECKS: Readonly<Record<string, Check>> = {
  maxLength: (run, schema, value: string) =>
    run.hold(charactersOf(value) <= Number(schema['maxLength']), schema, 'maxLength', value),
  minLength: (run, schema, value: string) =>
    run.hold(charactersOf(value) >= Number(schema['minLength']), schema, 'minLength', value),
  pattern: (run, schema, value: string) =>
    run.hold(expressionOf(String(schema['pattern'])).test(value), schema, 'pattern', value),
};

const ANY_CHECKS: Readonly<Record<string, Check>> = {
  $ref: (run, schema, value: unknown) => run.check(run.definition(String(schema['$ref'])), value),
  const: (run, schema, value: unknown) => run.hold(value === schema['const'], schema, 'const', value),
  enum: (run, schema, value: unknown) => run.hold(listOf(schema['enum']).includes(value), schema, 'enum', value),
  anyOf: (run, schema, value: unknown) =>
    run.hold(
      listOf(schema['anyOf']).some((one) => run.accepts(one, value)),
      schema,
      'anyOf',
      value,
    ),
  oneOf: (run, schema, value: unknown) =>
    run.hold(listOf(schema['oneOf']).filter((one) => run.accepts(one, value)).length === 1, schema, 'oneOf', value),
  allOf(run, schema, value: unknown) {
    for (const one of listOf(schema['allOf'])) run.check(one as Schema, value);
  },
  if(run, schema, value: unknown) {
    const branch = schema[run.accepts(schema['if'], value) ? 'then' : 'else'];
    if (branch !== undefined) run.hold(run.check(branch as Schema, value), schema, 'if', value);
  },
};

const ARRAY_CHECKS: Readonly<Record<string, Check>> = {
  maxItems: (run, schema, value: readonly unknown[]) =>
    run.hold(value.length <= Number(schema['maxItems']), schema, 'maxItems', value),
  minItems: (run, schema, value: readonly unknown[]) =>
    run.hold(value.length >= Number(schema['minItems']), schema, 'minItems', value),
  items(run, schema, value: readonly unknown[]) {
    for (const [index, item] of value.entries()) run.checkPart(schema['items'], item, index);
  },
  uniqueItems(run, schema, value: readonly unknown[]) {
    // Where items have to be texts, whatever is none has been reported as such.
    const onlyTexts = ownValue(schema['items'], 'type') === 'string';
    const items = onlyTexts ? value.filter((item) => typeof item === 'string') : value.map(canonicalJson);
    run.hold(new Set(items).size === items.length, schema, 'uniqueItems', value);
  },
};

const OBJECT_CHECKS: Readonly<Record<string, Check>> = {
  maxProperties: (run, schema, value: object) =>
    run.hold(Object.keys(value).length <= Number(schema['maxProperties']), schema, 'maxProperties', value),
  minProperties: (run, schema, value: object) =>
    run.hold(Object.keys(value).length >= Number(schema['minProperties']), schema, 'minProperties', value),
  required(run, schema, value: object) {
    for (const key of listOf(schema['required']).map(String)) {
      run.hold(ownValue(value, key) !== undefined, schema, 'required', value, key);
    }
  },
  propertyNames(run, schema, value: object) {
    const names = schema['propertyNames'] as Schema;
    for (const key of Object.keys(value)) {
      run.hold(run.checkName(names, key), schema, 'propertyNames', value);
    }
  },
  additionalProperties(run, schema, value: object) {
    const others = schema['additionalProperties'];
    for (const key of Object.keys(value)) {
      if (ownValue(schema['properties'], key) !== undefined) continue;
      if (others === false) run.hold(false, schema, 'additionalProperties', value, key);
      else run.checkPart(others, ownValue(value, key), key);
    }
  },
  properties(run, schema, value: object) {
    for (const [key, part] of Object.entries(schema['properties'] as Schema)) {
      const item = ownValue(value, key);
      if (item !== undefined) run.checkPart(part, item, key);
    }
  },
};

const CHECKS: Readonly<Record<string, Check>> = {
  ...NUMBER_CHECKS,
  ...STRING_CHECKS,
  ...ANY_CHECKS,
  ...ARRAY_CHECKS,
  ...OBJECT_CHECKS,
};

type Kind = 'number' | 'string' | 'array' | 'object' | 'other';

/** Which checks a value of each kind passes, in this order. */
const CHECKS_OF_KIND: Readonly<Record<Kind, readonly string[]>> = {
  number: [...Object.keys(NUMBER_CHECKS), ...Object.keys(ANY_CHECKS)],
  string: [...Object.keys(STRING_CHECKS), ...Object.keys(ANY_CHECKS)],
  array: [...Object.keys(ANY_CHECKS), ...Object.keys(ARRAY_CHECKS)],
  object: [...Object.keys(ANY_CHECKS), ...Object.keys(OBJECT_CHECKS)],
  other: Object.keys(ANY_CHECKS),
};

/** Keywords that check nothing by themselves. */
const SILENT: ReadonlySet<string> = new Set([
  ...['$schema', 'title', 'description', 'definitions', 'type', 'then', 'else'],
]);

interface Keywords {
  readonly types: readonly string[] | undefined;
  /** As ajv orders it, by which the texts of refusals were written: after `oneOf`, where the parts would come. */
  readonly typeComesLast: boolean;
  /** By kind of value, once there was one: which checks it passes. */
  readonly of: Partial<Record<Kind, readonly string[]>>;
}

/** What each schema object asks, worked out once: the schemas are few and never change. */
const known = new WeakMap<Schema, Keywords>();

function keywordsOf(schema: Schema): Keywords {
  const before = known.get(schema);
  if (before !== undefined) return before;
  const unknown = Object.keys(schema).find((keyword) => !(keyword in CHECKS) && !SILENT.has(keyword));
  if (unknown !== undefined) throw new Error(`schema: ${unknown} (expected: one of ${Object.keys(CHECKS).join(', ')})`);
  const type = schema['type'];
  const partChecks = type === 'object' ? OBJECT_CHECKS : type === 'array' ? ARRAY_CHECKS : {};
  const keywords: Keywords = {
    types: type === undefined ? undefined : listOf(Array.isArray(type) ? type : [type]).map(String),
    typeComesLast: Object.keys(partChecks).some((keyword) => keyword in schema),
    of: {},
  };
  known.set(schema, keywords);
  return keywords;
}

function kindOf(value: unknown): Kind {
  if (typeof value === 'string') return 'string';
  if (typeof value === 'number') return Number.isFinite(value) ? 'number' : 'other';
  if (Array.isArray(value)) return 'array';
  return isRecord(value) ? 'object' : 'other';
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'boolean') return typeof value === 'boolean';
  return kindOf(value) === type;
}

function listOf(value: unknown): readonly unknown[] {
  return value as readonly unknown[];
}

const expressions = new Map<string, RegExp>();

function expressionOf(pattern: string): RegExp {
  const before = expressions.get(pattern);
  if (before !== undefined) return before;
  const expression = new RegExp(pattern, 'u');
  expressions.set(pattern, expression);
  return expression;
}
