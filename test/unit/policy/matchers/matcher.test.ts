import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LabelMatcherDocument } from '../../../../src/policy/document';
import { compileMatcher, describeMatcher } from '../../../../src/policy/matchers/matcher';
import { ValueList } from '../../../../src/policy/value-list';

const accepts = (matcher: LabelMatcherDocument, value: string | undefined): boolean => compileMatcher(matcher)(value);

describe('compileMatcher', () => {
  it.each<[LabelMatcherDocument, readonly string[], readonly string[]]>([
    ['canary', ['canary'], ['Canary', 'canary ', '', 'canary2']],
    [{ exact: '' }, [''], ['a']],
    [{ exact: 'a', ignoreCase: true }, ['a', 'A'], ['b']],
    [{ prefix: 'eu-' }, ['eu-', 'eu-west'], ['EU-west', 'xeu-']],
    [{ prefix: 'EU-', ignoreCase: true }, ['eu-west'], ['us-west']],
    [{ suffix: '-rc' }, ['1-rc', '-rc'], ['1-rc1']],
    [{ contains: 'test' }, ['test', 'a test b'], ['Test', 'tes t']],
    [{ in: ['vip', 'staff'] }, ['vip', 'staff'], ['VIP', '', 'vip,staff']],
    [{ in: ['vip'], ignoreCase: true }, ['VIP'], ['v']],
    [{ notIn: ['a', 'b'] }, ['c', '', 'A'], ['a', 'b']],
    [{ notIn: ['a'], ignoreCase: true }, ['c'], ['A']],
    [{ range: [1200, 1300] }, ['1200', '1299', '01200'], ['1300', '1199', '1200.5', '1e3', ' 1200', '0x4b0', '']],
    [{ range: [-5, 0] }, ['-5', '-1'], ['0', '-6', '--5']],
    [{ version: '>=16.2 <18' }, ['16.2', '17'], ['18', '16', '', 'x']],
    [{ cidr: '10.0.0.0/8' }, ['10.1.2.3', '::ffff:10.1.2.3'], ['11.0.0.1', '10.1.2', '10.1.2.3/8', 'x', '']],
    [{ cidr: ['2001:db8::/32', '192.0.2.7'] }, ['2001:db8::1', '192.0.2.7'], ['2001:db9::1', '192.0.2.8']],
    [{ cidr: 'fe80::/10' }, ['fe80::1%eth0', 'fe80::1'], ['%eth0', `fe80::1%${'x'.repeat(9_000)}`]],
    [{ present: true }, ['', 'x'], []],
    [{ present: false }, [], ['', 'x']],
    [{ not: 'a' }, ['b', ''], ['a']],
    [{ not: { not: 'a' } }, ['a'], ['b']],
    [{ prefix: 'a', suffix: 'z', not: { contains: 'm' } }, ['abz', 'az'], ['amz', 'ab', 'bz']],
    [{ not: { exact: 'A' }, ignoreCase: true }, ['a'], ['A']],
  ])('%j', (matcher, matching, others) => {
    for (const value of matching) expect([value, accepts(matcher, value)]).toEqual([value, true]);
    for (const value of others) expect([value, accepts(matcher, value)]).toEqual([value, false]);
  });

  it.each<[LabelMatcherDocument, boolean]>([
    ['a', false],
    [{ exact: '' }, false],
    [{ prefix: '' }, false],
    [{ suffix: '' }, false],
    [{ contains: '' }, false],
    [{ in: [''] }, false],
    [{ regex: '.*' }, false],
    [{ range: [0, 1] }, false],
    [{ version: '>=0' }, false],
    [{ cidr: '0.0.0.0/0' }, false],
    [{ present: true }, false],
    [{ present: false }, true],
    [{ notIn: ['a'] }, true],
    [{ not: 'a' }, true],
    [{ not: { present: false } }, false],
    [{ present: true, notIn: ['a'] }, false],
  ])('an absent label and %j: %s', (matcher, expected) => {
    expect(accepts(matcher, undefined)).toBe(expected);
  });

  it('never throws, whatever the value', () => {
    const matchers: LabelMatcherDocument[] = [
      { cidr: ['::/0', '0.0.0.0/0'] },
      { regex: '[a-z]+\\d?' },
      { range: [0, 10] },
      { in: ['__proto__'], ignoreCase: true },
    ];
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom(...matchers), (value, matcher) => {
        expect(typeof accepts(matcher, value)).toBe('boolean');
      }),
    );
  });
});

describe('a list of values', () => {
  const lists = new Map([
    ['vip', new ValueList(['u-1', 'U-2'])],
    ['staff', new ValueList(['s-1'])],
  ]);

  it.each<[LabelMatcherDocument, readonly string[], readonly (string | undefined)[]]>([
    [{ list: 'vip' }, ['u-1', 'U-2'], ['u-2', 's-1', '', undefined]],
    [{ list: ['vip', 'staff'] }, ['u-1', 's-1'], ['u-3', undefined]],
    [{ list: 'vip', ignoreCase: true }, ['U-1', 'u-2'], ['s-1', undefined]],
    [{ not: { list: 'vip' } }, ['s-1', ''], ['u-1']],
    [{ list: 'vip', prefix: 'u-' }, ['u-1'], ['U-2']],
    [{ list: 'unknown' }, [], ['u-1', '', undefined]],
  ])('%j', (matcher, matching, others) => {
    const test = compileMatcher(matcher, lists);
    for (const value of matching) expect([value, test(value)]).toEqual([value, true]);
    for (const value of others) expect([value, test(value)]).toEqual([value, false]);
  });

  it('is looked at anew for each value', () => {
    const changing = new Map([['vip', new ValueList(['u-1'])]]);
    const test = compileMatcher({ list: 'vip' }, changing);
    changing.set('vip', new ValueList(['u-2']));
    expect([test('u-1'), test('u-2')]).toEqual([false, true]);
  });
});

describe('describeMatcher', () => {
  it.each<[LabelMatcherDocument, string]>([
    ['canary', '= canary'],
    [{ in: ['vip', 'staff'] }, 'in [vip, staff]'],
    [{ list: 'vip' }, 'list vip'],
    [{ list: ['vip', 'staff'] }, 'list [vip, staff]'],
    [{ range: [1, 5] }, 'range [1, 5)'],
    [{ version: '>=16.2 <18' }, 'version >=16.2 <18'],
    [{ not: { prefix: 'test-' } }, 'not (prefix test-)'],
    [{ present: false }, 'absent'],
    [{ prefix: 'a', suffix: 'b', ignoreCase: true }, 'prefix a and suffix b (ignoring case)'],
  ])('%j: %s', (matcher, text) => {
    expect(describeMatcher(matcher)).toBe(text);
  });
});
