import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/policy/sha256';

describe('SHA-256', () => {
  const expected = (text: string): string => createHash('sha256').update(text).digest('hex');

  it('is that of OpenSSL for texts of every length around a block', () => {
    for (let length = 0; length < 200; length += 1)
      expect(sha256('é'.repeat(length))).toBe(expected('é'.repeat(length)));
    for (let length = 0; length < 200; length += 1)
      expect(sha256('x'.repeat(length))).toBe(expected('x'.repeat(length)));
  });

  it('is that of OpenSSL for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 1_000 }), (text) => {
        expect(sha256(text)).toBe(expected(text));
      }),
      { numRuns: 300 },
    );
  });
});
