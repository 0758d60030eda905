import { describe, expect, it } from 'vitest';
import { parseValueList } from '../../../src/policy/value-list';

const valuesOf = (text: string): unknown => {
  const list = parseValueList(text);
  return typeof list === 'string' ? list : [...list];
};

describe('parseValueList', () => {
  it.each<[string, unknown]>([
    ['u-1\nu-2\n', ['u-1', 'u-2']],
    ['# by ops, for ticket 7\r\n u-1 \r\n\r\nu-1\r\n', ['u-1']],
    ['', []],
    ['["u-1", "# u-2", " "]', ['u-1', '# u-2', ' ']],
    [' \n [] ', []],
    ['["u-1", 2]', '[1]: number (expected: a text)'],
    ['["u-1"', expect.stringMatching(/\(expected: a JSON list of texts\)$/)],
    [`a\n${'x'.repeat(1_025)}`, 'line 2: 1025 characters (expected: at most 1024)'],
    ['x\n'.repeat(300_000), '600000 characters (expected: at most 524288)'],
  ])('%j', (text, expected) => {
    expect(valuesOf(text)).toEqual(expected);
  });

  it('finds values with and without case', () => {
    const list = parseValueList('Anna\nbob');
    if (typeof list === 'string') throw new Error(list);
    expect([list.has('anna'), list.hasIgnoringCase('ANNA'), list.has('Anna'), list.hasIgnoringCase('ann')]).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(list.size).toBe(2);
  });
});
