import fc from 'fast-check';
import { load, YAML11_SCHEMA } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { isMap, isScalar, isSeq, parse, parseDocument, stringify } from 'yaml';
import { readYaml, writeYaml } from '../../../src/base/yaml';
import { findNode, YamlError } from '../../../src/base/yaml-nodes';

// The package `yaml`, written by others and in another way, is the judge.
const JUDGED = { version: '1.2', schema: 'core', stringKeys: true, logLevel: 'error' } as const;

const firstOf = (text: string): unknown => readYaml(text).value;

/** Where each part stands, as the judge has it. */
function placesOf(node: unknown, path: (string | number)[] = []): [path: (string | number)[], offset: number][] {
  const places: [(string | number)[], number][] = [];
  const add = (key: string | number, at: unknown, value: unknown): void => {
    const offset = isScalar(at) || isMap(at) || isSeq(at) ? at.range?.[0] : undefined;
    // A text of several lines has its first one here, what announces it there.
    const isBlock = isScalar(at) && /^BLOCK_/.test(at.type ?? '');
    if (!isBlock) places.push([[...path, key], offset ?? expect.fail('no range')]);
    places.push(...placesOf(value, [...path, key]));
  };
  if (isMap(node)) for (const { key, value } of node.items) add(isScalar(key) ? String(key.value) : '', key, value);
  if (isSeq(node)) for (const [index, item] of node.items.entries()) add(index, item, item);
  return places;
}

const words = fc.constantFrom(
  'off',
  'yes',
  '1.0',
  '0x1F',
  '012',
  '1_000',
  '2026-12-01',
  '<<',
  '~',
  'null',
  '-',
  '#',
  ': ',
);
const text = fc.oneof(words, fc.string({ unit: 'grapheme' }), fc.string());
const value = fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme' });
const data = fc.oneof(value, fc.dictionary(text, fc.oneof(text, value)), fc.array(text));

describe('readYaml', () => {
  it.each([
    ['a: off\nb: 2026-12-01\n<<: x\nc: 012\nd: 1_000', { a: 'off', b: '2026-12-01', '<<': 'x', c: 12, d: '1_000' }],
    ['1.0: a\ntrue: b\n~: c\n0x1F: d', { '1.0': 'a', true: 'b', '~': 'c', '0x1F': 'd' }],
    ['? a\n  b\n: - 1\n  -\n', { 'a b': [1, null] }],
    ['a: &x {b: 1}\nc: *x', { a: { b: 1 }, c: { b: 1 } }],
    ['&k key: 1\nb: *k', { key: 1, b: 'key' }],
    ['{"a": [1, {"b": "\\u00e9"}]}', { a: [1, { b: 'é' }] }],
    ['a: |\n  x\n   y\nb: >-\n  x\n  y\n', { a: 'x\n y\n', b: 'x y' }],
    ['# nothing', null],
    ['---\n', null],
  ])('%j', (given, expected) => {
    expect(firstOf(given)).toEqual(expected);
  });

  it.each([
    ['a: [1, 2', /flow collection/],
    ['a: "x', /double quoted/],
    ['a: !secret x', /unknown scalar tag/],
    ['a: *b', /unidentified alias/],
    ['a: 1\na: 2', /duplicated mapping key/],
    ['a: 1\n---\nb: 2', /more than one document/],
    ['{a: 1}: x', /is no key/],
    ['a: &a [*a]', /aliases stand for more than 10000 values/],
    ['['.repeat(100_000), /maxDepth/],
  ])('refuses %.20s', (given, reason) => {
    expect(() => readYaml(given)).toThrow(YamlError);
    expect(() => readYaml(given)).toThrow(reason);
  });

  it('lays the entries of other objects under those of its own where it is asked to', () => {
    const given = 'x: &x {a: 1, b: 2}\ny: {<<: *x, a: 3}';
    expect(readYaml(given, { merge: true }).value).toMatchObject({ y: { a: 3, b: 2 } });
    expect(firstOf(given)).toMatchObject({ y: { '<<': { a: 1, b: 2 }, a: 3 } });
  });

  it('reads what the judge writes, and knows where it stands', () => {
    const styles = fc.record({
      indentSeq: fc.boolean(),
      collectionStyle: fc.constantFrom('any', 'flow'),
      defaultStringType: fc.constantFrom('PLAIN', 'QUOTE_DOUBLE', 'QUOTE_SINGLE', 'BLOCK_FOLDED', 'BLOCK_LITERAL'),
      defaultKeyType: fc.constantFrom(null, 'PLAIN', 'QUOTE_DOUBLE', 'QUOTE_SINGLE'),
    } as const);
    fc.assert(
      fc.property(data, styles, (given, style) => {
        const written = stringify(given, { ...style, aliasDuplicateObjects: false });
        const read = readYaml(written);
        expect(read.value).toEqual(parse(written, JUDGED) ?? null);
        for (const [path, offset] of placesOf(parseDocument(written, JUDGED).contents)) {
          expect([path, findNode(read.root, path).start]).toEqual([path, offset]);
        }
      }),
    );
  });

  it('agrees with the judge on what is mutated, where both can read it', () => {
    const parts = [...'[]{},:-?&*!|>\'"#%@` \n', '- ', ': ', '\n  ', '\n- ', 'a', '1.0', '&x ', '*x'];
    let agreed = 0;
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 20 }), (pieces) => {
        const given = pieces.join('');
        let read: unknown;
        try {
          read = readYaml(given).value;
        } catch (error) {
          expect(error).toBeInstanceOf(YamlError);
          return;
        }
        const judged = parseDocument(given, { ...JUDGED, logLevel: 'silent' });
        if (judged.errors.length > 0 || judged.warnings.length > 0) return;
        expect(read).toEqual(judged.toJS() ?? null);
        agreed += 1;
      }),
      { numRuns: 3_000 },
    );
    expect(agreed).toBeGreaterThan(100);
  });
});

describe('writeYaml', () => {
  it('writes what YAML 1.2, YAML 1.1 and this library take for the same', () => {
    fc.assert(
      fc.property(data, (given) => {
        const plain: unknown = JSON.parse(JSON.stringify(given));
        const written = writeYaml(plain);
        expect(firstOf(written)).toEqual(plain);
        expect(parse(written, JUDGED)).toEqual(plain);
        expect(load(written, { schema: YAML11_SCHEMA })).toEqual(plain);
      }),
    );
  });

  it('writes what people read', () => {
    const given = {
      schema: 1,
      subsets: { canary: { tags: ['canary', '5'] } },
      routes: [{ to: 'canary', off: undefined }],
    };
    expect(writeYaml(given)).toBe(
      'schema: 1\nsubsets:\n  canary:\n    tags:\n      - canary\n      - "5"\nroutes:\n  - to: canary\n',
    );
  });
});
