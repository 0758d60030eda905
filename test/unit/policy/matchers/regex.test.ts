import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { regexFault, regexTest } from '../../../../src/policy/matchers/regex';
import { runs } from '../../../support/slice';

describe('regexTest', () => {
  it('matches whole values only', () => {
    const test = regexTest('u-[0-9]+', false);
    expect(test('u-42')).toBe(true);
    expect(test('u-42x')).toBe(false);
    expect(test('xu-42')).toBe(false);
    expect(test('u-42\n')).toBe(false);
  });

  it('tries every alternative for a whole match', () => {
    expect(regexTest('a|ab', false)('ab')).toBe(true);
    expect(regexTest('(?:a|ab)(?:c|cd)', false)('abcd')).toBe(true);
  });

  it('keeps what a pattern quotes or groups to itself', () => {
    expect(regexTest('\\Qa.c', false)('a.c')).toBe(true);
    expect(regexTest('\\Qa.c', false)('abc')).toBe(false);
    expect(regexTest('(?m)a$', false)('a\nb')).toBe(false);
    expect(regexFault('a)(b')).toMatch(/^RE2 syntax/);
  });

  it('ignores case when told to', () => {
    expect(regexTest('canary', true)('CaNaRy')).toBe(true);
    expect(regexTest('canary', false)('CaNaRy')).toBe(false);
    expect(regexTest('can.*', true)('CANARY')).toBe(true);
  });

  it('matches no value beyond 1,024 characters', () => {
    for (const pattern of ['a*', 'a.*', '.*a', `[a]+`]) {
      expect(regexTest(pattern, false)('a'.repeat(1_024))).toBe(true);
      expect(regexTest(pattern, false)('a'.repeat(1_025))).toBe(false);
    }
  });

  it('spends no more than 2 ms on what kills backtracking engines', () => {
    const test = regexTest('(a+)+$', false);
    const values = ['a'.repeat(10_000), `${'a'.repeat(10_000)}b`, `${'a'.repeat(1_023)}b`, 'a'.repeat(1_024)];
    for (const value of values) {
      // The best of five: a busy machine may stop any one of them for longer.
      let best = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 5; round += 1) {
        const start = performance.now();
        test(value);
        best = Math.min(best, performance.now() - start);
      }
      expect(best).toBeLessThan(2);
    }
  });

  it('answers the same with and without the engine', () => {
    // The group keeps the second one from being taken for plain text.
    const text = fc.stringMatching(/^[a-c-]{0,3}$/);
    const shape = fc.constantFrom(
      (plain: string) => plain,
      (plain: string) => `${plain}.*`,
      (plain: string) => `.*${plain}`,
    );
    const value = fc.stringMatching(/^[a-c\n-]{0,6}$/);
    fc.assert(
      fc.property(text, shape, value, (plain, shaped, candidate) => {
        const pattern = shaped(plain);
        expect(regexTest(pattern, false)(candidate)).toBe(regexTest(`(?:${pattern})`, false)(candidate));
      }),
      { numRuns: runs(1_000) },
    );
  });

  it('agrees with the platform where both know the syntax', () => {
    const patterns = ['[a-c]+-?\\d*', '(?:ab|a)b?c*', 'v\\d+\\.\\d+', '[^a]b.', 'a{2,3}b?'];
    const value = fc.stringMatching(/^[abcv0-9.-]{0,8}$/);
    fc.assert(
      fc.property(fc.constantFrom(...patterns), value, (pattern, candidate) => {
        expect(regexTest(pattern, false)(candidate)).toBe(new RegExp(`^(?:${pattern})$`).test(candidate));
      }),
      { numRuns: runs(1_000) },
    );
  });

  it('still answers right after more values and patterns than it remembers', () => {
    for (let pattern = 0; pattern < 300; pattern += 1)
      expect(regexTest(`p${pattern}[x]`, false)(`p${pattern}x`)).toBe(true);
    const test = regexTest('p0[x]', false);
    for (let value = 0; value < 600; value += 1) expect(test(`p0x${value}`)).toBe(false);
    expect(test('p0x')).toBe(true);
  });
});
