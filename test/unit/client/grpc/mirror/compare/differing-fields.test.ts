import { describe, expect, it } from 'vitest';
import {
  differingFields,
  type FieldNames,
  parseIgnored,
} from '../../../../../../src/client/grpc/mirror/compare/differing-fields';

const KNOWN: FieldNames = { isMap: (field) => field === 'totals', areMapsKnown: true };
const UNKNOWN: FieldNames = { isMap: () => false, areMapsKnown: false };

const fieldsOf = (one: unknown, other: unknown, ignore: readonly string[] = [], names = KNOWN): readonly string[] => [
  ...differingFields(one, other, parseIgnored(ignore), names),
];
const long = (low: number) => ({ low, high: 0, unsigned: false, toString: () => String(low) });
const message = (fields: object) => ({ toObject: () => fields });

describe('differingFields', () => {
  it.each<[string, unknown, unknown, readonly string[]]>([
    ['equal messages', { a: 1, b: { c: [1] } }, { a: 1, b: { c: [1] } }, []],
    ['a field', { a: 1, b: 2 }, { a: 1, b: 3 }, ['b']],
    ['a field that one lacks', { a: 1 }, { a: 1, b: 3 }, ['b']],
    ['a field that is undefined in one', { a: 1, b: undefined }, { a: 1 }, []],
    ['a field inside', { a: { b: { c: 1 } } }, { a: { b: { c: 2 } } }, ['a.b.c']],
    ['items of a list, each once', { a: [{ b: 1 }, { b: 2 }] }, { a: [{ b: 3 }, { b: 4 }] }, ['a.*.b']],
    ['a list of another length', { a: [1] }, { a: [1, 2] }, ['a']],
    ['a list and none', { a: [1] }, { a: 'x' }, ['a']],
    ['bytes', { a: Buffer.from('x') }, { a: Buffer.from('y') }, ['a']],
    ['equal bytes', { a: Buffer.from('x') }, { a: new Uint8Array([120]) }, []],
    ['a number and its text', { a: 1 }, { a: '1' }, ['a']],
    ['not a number', { a: Number.NaN }, { a: Number.NaN }, []],
    ['a time', { a: new Date(1) }, { a: new Date(2) }, ['a']],
    ['an equal time', { a: new Date(1) }, { a: new Date(1) }, []],
    ['a long', { a: long(1) }, { a: long(2) }, ['a']],
    ['an equal long', { a: long(1) }, { a: long(1) }, []],
    ['keys of a map', { totals: { ann: 1 } }, { totals: { bob: 1 } }, ['totals.*']],
    ['a message in a map', { totals: { ann: { x: 1 } } }, { totals: { ann: { x: 2 } } }, ['totals.*.x']],
    ['a Map', { a: new Map([['ann', 1]]) }, { a: new Map([['ann', 2]]) }, ['a.*']],
    ['a key that is no name', { 'ann@example.com': 1 }, { 'ann@example.com': 2 }, ['*']],
    ['a message of google-protobuf', message({ a: 1 }), message({ a: 2 }), ['a']],
    ['no message at all', { a: 1 }, undefined, ['(message)']],
    ['__proto__', JSON.parse('{"__proto__": 1}'), JSON.parse('{"__proto__": 2}'), ['__proto__']],
  ])('%s', (_, one, other, expected) => {
    expect(fieldsOf(one, other)).toEqual(expected);
    expect(fieldsOf(other, one)).toEqual(expected);
  });

  it('shows no key of what may be a map, unless both have it', () => {
    expect(fieldsOf({ a: { ann: 1 } }, { a: { bob: 1 } }, [], UNKNOWN)).toEqual(['a.*']);
    expect(fieldsOf({ a: { b: 1 } }, { a: { b: 2 } }, [], UNKNOWN)).toEqual(['a.b']);
  });

  it.each<[string, unknown, unknown, readonly string[]]>([
    ['updated_at', { updatedAt: 1, a: 1 }, { updatedAt: 2, a: 2 }, ['a']],
    ['updatedAt', { updated_at: 1 }, { updated_at: 2 }, []],
    ['items.*.id', { items: [{ id: 1, a: 1 }] }, { items: [{ id: 2, a: 2 }] }, ['items.*.a']],
    ['items', { items: [{ id: 1 }] }, { items: [] }, []],
    ['totals.*', { totals: { ann: 1 } }, { totals: { bob: 1 } }, []],
    ['id', { items: [{ id: 1 }] }, { items: [{ id: 2 }] }, ['items.*.id']],
  ])('leaves out %s', (ignored, one, other, expected) => {
    expect(fieldsOf(one, other, [ignored])).toEqual(expected);
  });

  it('has an end: fields, depth, length of a path', () => {
    const wide = (value: number) => Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`f${at}`, value]));
    expect(fieldsOf(wide(1), wide(2))).toHaveLength(100);
    const deep = (depth: number, value: unknown): unknown =>
      depth === 0 ? value : { [`${'x'.repeat(60)}`]: deep(depth - 1, value) };
    const [path = ''] = fieldsOf(deep(200, 1), deep(200, 2));
    expect(path.length).toBeLessThanOrEqual(256);
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const other: Record<string, unknown> = {};
    other['self'] = other;
    expect(fieldsOf(circular, other)).toHaveLength(1);
  });
});
