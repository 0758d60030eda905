import { Ajv, type ErrorObject } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { controllerSchema } from '../../../../src/ops/rollout/config/parse-controller-config';
import { rolloutSchema } from '../../../../src/ops/rollout/rollout-schema';
import { wavesSchema } from '../../../../src/ops/rollout/waves/waves-schema';
import { policySchema } from '../../../../src/policy/policy-schema';
import type { Schema } from '../../../../src/policy/schema-parts';
import { checkJsonSchema, type Violation } from '../../../../src/policy/validation/json-schema';
import { runs } from '../../../support/slice';

const schemas = { policySchema, rolloutSchema, wavesSchema, controllerSchema };

describe.each(Object.entries(schemas))('a document that is checked against %s', (_name, schema) => {
  it('has the violations that ajv finds, in the same order, and one for each value of a wrong type', () => {
    const ajv = new Ajv({
      allErrors: true,
      verbose: true,
      ownProperties: true,
      allowUnionTypes: true,
      strictTypes: false,
      strictRequired: false,
    }).compile(schema);
    fc.assert(
      fc.property(documentOf(schema, schema, 6), (document) => {
        const found: object[] = [];
        checkJsonSchema(schema, document, (violation) => found.push(comparable(violation)));
        ajv(document);
        expect(found).toEqual((ajv.errors ?? []).filter(isNoAlternative).filter(isOwnFault).map(asViolation));
      }),
      { numRuns: runs(400) },
    );
  });
});

describe('a schema', () => {
  it('with a keyword that is not known is refused, not passed over', () => {
    expect(() => checkJsonSchema({ type: 'string', format: 'date' }, '', () => {})).toThrow('schema: format');
  });
});

/** A document that mostly follows `schema`, with something else in a few of its places. */
function documentOf(schema: Schema, root: Schema, depth: number): fc.Arbitrary<unknown> {
  const foreign = fc.constantFrom<unknown[]>(
    ...[null, true, 0, -1, 1.5, 1e9, 3e9, Number.NaN, '', 'a b', 'auto', 'off', '/s.A/One', 'x'.repeat(2_000)],
    ...[[], ['a', 'a'], [1, 1], {}, { constructor: 1 }, { peer: 'a' }, { to: 'a', split: [] }, { check: 'value' }],
  );
  return fc.oneof({ weight: 20, arbitrary: fittingOf(schema, root, depth) }, { weight: 1, arbitrary: foreign });
}

function fittingOf(schema: Schema, root: Schema, depth: number): fc.Arbitrary<unknown> {
  const part = (one: unknown): fc.Arbitrary<unknown> => documentOf(one as Schema, root, depth - 1);
  if (typeof schema['$ref'] === 'string') {
    const definitions = root['definitions'] as Readonly<Record<string, Schema>>;
    return documentOf(definitions[schema['$ref'].slice('#/definitions/'.length)] ?? {}, root, depth);
  }
  if ('const' in schema) return fc.constant(schema['const']);
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...schema['enum']);
  const types = [schema['type'] ?? 'string'].flat();
  return fc.oneof(...types.map((type) => ofType(String(type), schema, part, depth)));
}

function ofType(
  type: string,
  schema: Schema,
  part: (schema: unknown) => fc.Arbitrary<unknown>,
  depth: number,
): fc.Arbitrary<unknown> {
  const small = fc.constantFrom('stable', 'canary', 'a', 'auto', '/s.A/One', '1.2.3', 'http://a/b');
  switch (type) {
    case 'number':
    case 'integer':
      return fc.oneof(fc.integer({ min: 0, max: 120 }), fc.constantFrom(0.25, 1_000, 60_000));
    case 'boolean':
      return fc.boolean();
    case 'array':
      return depth <= 0 ? fc.constant([]) : fc.array(part(schema['items']), { maxLength: 3 });
    case 'object': {
      if (depth <= 0) return fc.constant({});
      const properties = (schema['properties'] ?? {}) as Readonly<Record<string, unknown>>;
      const requiredKeys = fc.constant(schema['required'] ?? []);
      const known = fc.record(Object.fromEntries(Object.entries(properties).map(([key, one]) => [key, part(one)])), {
        requiredKeys: [],
      });
      const required = requiredKeys.chain((keys) =>
        fc.record(Object.fromEntries((keys as string[]).map((key) => [key, part(properties[key] ?? {})]))),
      );
      const others =
        typeof schema['additionalProperties'] === 'object'
          ? fc.dictionary(fc.constantFrom('a', 'b c', '__proto__', 'x-a'), part(schema['additionalProperties']), {
              maxKeys: 2,
            })
          : fc.constantFrom<object[]>({}, {}, {}, {}, { extra: 1 });
      return fc
        .tuple(known, required, others)
        .map(([a, b, c]) => ({ ...(Object.keys(a).length > 12 ? {} : a), ...b, ...c }));
    }
    default:
      return small;
  }
}

function comparable({ keyword, path, value, limit, schema, key, name }: Violation): object {
  return { keyword, path: path.map(String), value, limit, schema, key, name };
}

/** What stands in a branch of oneOf or anyOf is told by the keyword itself. */
function isNoAlternative({ schemaPath }: ErrorObject): boolean {
  return !/\/(oneOf|anyOf)\/\d/.test(schemaPath);
}

/** Whatever else ajv finds where a value is of a wrong type follows from that. */
function isOwnFault(error: ErrorObject, _: number, all: readonly ErrorObject[]): boolean {
  const wrong = all.find(({ keyword, instancePath }) => keyword === 'type' && instancePath === error.instancePath);
  return wrong === undefined || wrong === error;
}

function asViolation(error: ErrorObject): object {
  const params: Readonly<Record<string, unknown>> = error.params;
  return {
    keyword: error.keyword,
    path: error.instancePath
      .split('/')
      .slice(1)
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~')),
    value: error.data,
    limit: error.parentSchema?.[error.keyword],
    schema: error.parentSchema,
    key: params['missingProperty'] ?? params['additionalProperty'],
    name: error.propertyName,
  };
}
