import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConditionError, parseCondition } from '../../../../../src/ops/rollout/analysis/condition';
import { runs } from '../../../../support/slice';

describe('parseCondition', () => {
  it.each([
    ['result < 0.05', { result: 0.04 }, true],
    ['result < 0.05', { result: 0.05 }, false],
    ['>= 10', { result: 10 }, true],
    ['canary <= stable * 1.5 and canary < 200', { canary: 150, stable: 100 }, true],
    ['canary <= stable * 1.5 && canary < 200', { canary: 250, stable: 200 }, false],
    ['result < 1 or result > 9', { result: 10 }, true],
    ['result < 1 || result > 2 and result > 9', { result: 0 }, true],
    ['result - 1 - 1 == 1', { result: 3 }, true],
    ['2 * (canary + 1) / 4 != 1', { canary: 1 }, false],
    ['result > -1e3', { result: -999 }, true],
    ['result AND', { result: 1 }, undefined],
  ] as const)('%s of %j: %s', (text, values, expected) => {
    if (expected === undefined) expect(() => parseCondition(text)).toThrow(ConditionError);
    else expect(parseCondition(text).holds(values)).toBe(expected);
  });

  it('is undecided where a figure that it names is missing or not finite', () => {
    expect(parseCondition('canary < stable').holds({ canary: 1 })).toBeUndefined();
    expect(parseCondition('< 5').holds({ result: Number.NaN })).toBeUndefined();
    expect(parseCondition('result < 5 or 1 < 2').holds({ result: Number.POSITIVE_INFINITY })).toBeUndefined();
  });

  it.each([
    ['', 'a number, result, canary or stable at its end'],
    ['result', 'one of < <= > >= == != at its end'],
    ['result < ', 'a number, result, canary or stable at its end'],
    ['result < 5 5', 'and, or, or nothing more at 5'],
    ['process.exit() < 1', 'numbers, result, canary, stable'],
    ['constructor < 1', 'a number, result, canary or stable at constructor'],
    ['(result < 5', 'a closing bracket'],
    ['result = 5', 'numbers, result'],
  ])('says what is wrong with %j', (text, expected) => {
    expect(() => parseCondition(text)).toThrow(expected);
  });

  it('takes any text without doing anything but to refuse it', () => {
    const words = fc.constantFrom(
      'result',
      'canary',
      '<',
      '>=',
      '(',
      ')',
      '-',
      '*',
      'and',
      'or',
      '1',
      '1e9',
      'x',
      '"',
      '$',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words, { maxLength: 300 }).map((list) => list.join(' ')),
        ),
        (text) => {
          try {
            expect([true, false, undefined]).toContain(parseCondition(text).holds({ result: 1, canary: 2, stable: 3 }));
          } catch (error) {
            expect(error).toBeInstanceOf(ConditionError);
          }
        },
      ),
      { numRuns: runs(1_000) },
    );
    expect(() => parseCondition(`${'('.repeat(200)}1`)).toThrow('at most 32 brackets');
    expect(() => parseCondition(`${'-'.repeat(500)}1 < 2`)).not.toThrow(RangeError);
  });
});
