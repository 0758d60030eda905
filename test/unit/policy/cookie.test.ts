import { describe, expect, it } from 'vitest';
import { cookieNameOf, cookieValues } from '../../../src/policy/cookie';

describe('cookieValues', () => {
  it.each<[readonly (string | Buffer)[], readonly string[]]>([
    [['group=canary'], ['canary']],
    [['a=1; group=canary; b=2'], ['canary']],
    [['a=1;group="canary";b=2'], ['canary']],
    [['Group=canary'], ['canary']],
    [['group='], ['']],
    [['group=a=b'], ['a=b']],
    [['subgroup=canary', 'x; group', ''], []],
    [
      ['group=a', 'group=b'],
      ['a', 'b'],
    ],
    [['group=a; group=a'], ['a', 'a']],
    [[Buffer.from('group=canary')], []],
    [[`group=canary; x=${'x'.repeat(20_000)}`], []],
    [['group="'], ['"']],
  ])('%j: %j', (headers, values) => {
    expect(cookieValues(headers, 'group')).toEqual(values);
  });
});

describe('cookieNameOf', () => {
  it.each([
    ['cookie:group', 'group'],
    ['cookie:', ''],
    ['cookie', undefined],
    ['x-cookie:group', undefined],
  ])('%s: %s', (key, name) => {
    expect(cookieNameOf(key)).toBe(name);
  });
});
