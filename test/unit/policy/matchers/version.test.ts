import { describe, expect, it } from 'vitest';
import { isVersionRange, versionTest } from '../../../../src/policy/matchers/version';

describe('versionTest', () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ['>=16', ['16', '16.0', '16.2.1', '17', '100.0.0', '16.0.0+build.5'], ['15.9.9', '15', '16.0.0-rc.1']],
    ['>=16.2 <18', ['16.2', '16.10', '17.99.99', '18.0.0-beta'], ['16.1.9', '18', '18.0', '160', '2']],
    ['>= 16.2   < 18', ['16.2', '17'], ['18']],
    ['^2.1.3', ['2.1.3', '2.9'], ['2.1.2', '3', '3.0.0']],
    ['~2.1', ['2.1', '2.1.9'], ['2.2', '2.0.9']],
    ['16.x || 18.x', ['16', '16.9.9', '18.0'], ['17.0', '15']],
    ['=10.0.22621.3527', ['10.0.22621.3527'], ['10.0.22621.3528', '10.0.22621']],
    ['<2.0.0-rc.2', ['2.0.0-rc.1', '1.9'], ['2.0.0-rc.2', '2.0.0']],
  ])('%s', (range, inside, outside) => {
    const test = versionTest(range);
    for (const value of [...inside, ...inside]) expect([value, test(value)]).toEqual([value, true]);
    for (const value of outside) expect([value, test(value)]).toEqual([value, false]);
  });

  it.each([
    '',
    'latest',
    'x',
    '*',
    '16.x',
    '1.2.3.4.5',
    '>=17',
    '-1',
    '16.',
    '.5',
    ' 17',
    'v17',
    '1e9',
    '9'.repeat(65),
  ])('takes %j for no version, whatever the range', (value) => {
    for (const range of ['>=0', '<999999999', '>=16 || <16', '17.x']) {
      expect([range, versionTest(range)(value)]).toEqual([range, false]);
    }
  });

  it('orders versions as a comparison number by number does', () => {
    const numbers = [0, 1, 2, 9, 10, 11, 99];
    const all = numbers.flatMap((major) => numbers.flatMap((minor) => [[major, minor] as const]));
    for (const [major, minor] of all) {
      const test = versionTest(`>=${major}.${minor}`);
      for (const [a, b] of all) {
        expect(test(`${a}.${b}`)).toBe(a > major || (a === major && b >= minor));
      }
    }
  });
});

describe('isVersionRange', () => {
  it.each([
    ['>=16.2 <18', true],
    ['^1.0.0-rc.1', true],
    ['16.x', true],
    ['16.2.x', true],
    ['=16', true],
    ['16', false],
    ['16.2.1', false],
    ['', false],
    ['>=16 ||', false],
    ['>=x', false],
    ['>=16.x', false],
    ['latest', false],
    ['>==16', false],
    ['1 - 2', false],
    ['>=16,<18', false],
    ['>=v16', false],
  ])('%j: %s', (range, expected) => {
    expect(isVersionRange(range)).toBe(expected);
  });
});
