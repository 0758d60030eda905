import { describe, expect, it } from 'vitest';
import { cookieKeyFault, cookieValues, isCookieKey } from '../../../src/policy/cookie';

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
    expect(cookieValues(headers, 'cookie:group')).toEqual(values);
  });
});

describe('a key of a cookie', () => {
  it.each([
    ['cookie:group', true, true],
    ['cookie:__Host-a.b', true, true],
    ['cookie:', true, false],
    ['cookie:a b', true, false],
    ['cookie:a=b', true, false],
    [`cookie:${'a'.repeat(129)}`, true, false],
    ['cookie', false, false],
    ['x-cookie:group', false, false],
  ])('%s', (key, isOne, isSound) => {
    expect(isCookieKey(key)).toBe(isOne);
    if (isOne) expect(cookieKeyFault(key) === undefined).toBe(isSound);
  });
});
