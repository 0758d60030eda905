import * as grpc from '@grpc/grpc-js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraylaneError } from '../../../../src/base/errors';
import { checkLabels } from '../../../../src/client/grpc/check-arguments';
import { runs } from '../../../support/slice';

describe('labels that a program hands in', () => {
  it('have their keys lower-cased and their values kept', () => {
    expect(checkLabels({ 'X-Gray': 'Canary', 'x.y_z-1': '' }, 'labels')).toEqual({ 'x-gray': 'Canary', 'x.y_z-1': '' });
  });

  it.each([
    ['a space in the key', 'x gray', 'v'],
    ['an empty key', '', 'v'],
    ['a colon, as of HTTP/2', ':path', 'v'],
    ['a key that is not ASCII', 'x-grün', 'v'],
    ['a binary key', 'trace-bin', 'v'],
    ["a key of gRPC's own", 'grpc-timeout', 'v'],
    ['authorization', 'Authorization', 'v'],
    ['cookie', 'cookie', 'v'],
    ['a line break in the value', 'x-gray', 'a\r\nb: c'],
    ['a null in the value', 'x-gray', 'a\0b'],
    ['a value that is not ASCII', 'x-gray', 'grün'],
    ['a value beyond 4,096 characters', 'x-gray', 'a'.repeat(4_097)],
    ['a value that is no text', 'x-gray', 5 as unknown as string],
  ])('are refused with %s, naming the key and never the value', (_what, key, value) => {
    const check = (): unknown => checkLabels({ 'x-fine': 'fine', [key]: value }, 'labels');
    expect(check).toThrow(expect.objectContaining({ code: 'INVALID_LABEL' }));
    expect(check).toThrow(`labels[${JSON.stringify(key)}] (expected: `);
    if (typeof value === 'string' && value.length > 1) {
      expect(check).toThrow(expect.not.objectContaining({ message: expect.stringContaining(value) }));
    }
  });

  it('are at most 64', () => {
    const labels = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, 'v']));
    expect(Object.keys(checkLabels(labels(64), 'labels'))).toHaveLength(64);
    expect(() => checkLabels(labels(65), 'labels')).toThrow('labels: 65 labels (expected: at most 64)');
  });

  it('take prototype names as ordinary text', () => {
    const labels = checkLabels(
      JSON.parse('{"__proto__": "a", "constructor": "b"}') as Record<string, string>,
      'labels',
    );
    expect(Object.entries(labels)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
    expect(Object.getPrototypeOf(labels)).toBe(Object.prototype);
  });

  it('either can be sent by grpc-js as they are, or are refused with a GraylaneError', () => {
    const key = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^[a-zA-Z0-9_.-]{1,12}(-bin)?$/),
    );
    const value = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 20 }));
    fc.assert(
      fc.property(key, value, (name, content) => {
        let checked: Record<string, string>;
        try {
          checked = checkLabels({ [name]: content }, 'labels');
        } catch (error) {
          expect(error).toBeInstanceOf(GraylaneError);
          return;
        }
        const metadata = new grpc.Metadata();
        for (const [one, text] of Object.entries(checked)) {
          expect(one).not.toMatch(/-bin$|^grpc-|^authorization$|^cookie$/);
          metadata.set(one, text);
          expect(metadata.get(one)).toEqual([content]);
        }
      }),
      { numRuns: runs(1_000) },
    );
  });
});
