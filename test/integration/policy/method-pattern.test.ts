import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { regexFault, regexTest } from '../../../src/policy/matchers/regex';
import { methodPattern } from '../../../src/policy/method-pattern';

const methods = (kind: 'exact' | 'prefix' | 'regex', text: string): readonly string[] | string => {
  const pattern = methodPattern(kind, text);
  return pattern.kind === 'methods' ? pattern.methods : pattern.kind;
};

describe('a condition on the path, as methods', () => {
  it.each([
    ['exact', '/a.B/C', ['/a.B/C']],
    ['exact', '/a.B/', 'never'],
    ['exact', '/', 'never'],
    ['prefix', '/', 'any'],
    ['prefix', '/a.B/', ['/a.B/']],
    ['prefix', '/a.B', ['/a.B/']],
    ['prefix', '/a.B/C', 'unsayable'],
    ['prefix', '/a.', 'unsayable'],
    ['prefix', '/a', 'unsayable'],
    ['prefix', '/a.b', 'unsayable'],
    ['prefix', '/B', ['/B/']],
    ['regex', '/a\\..*', 'unsayable'],
    ['prefix', '/a/b/c/', 'never'],
    ['regex', '.*', 'any'],
    ['regex', '^/.*$', 'any'],
    ['regex', '/a\\.B/C', ['/a.B/C']],
    ['regex', '/a\\.B/.*', ['/a.B/']],
    ['regex', '/a\\.B/[^/]+', ['/a.B/']],
    ['regex', '/a\\.(B|C)/(?:Get|List)', ['/a.B/Get', '/a.B/List', '/a.C/Get', '/a.C/List']],
    ['regex', '/a\\.B/Get.*', 'unsayable'],
    ['regex', '/a\\.B.*', 'unsayable'],
    ['regex', '/a\\.B/G+', 'unsayable'],
    ['regex', '/a\\.B/(Get', 'unsayable'],
    ['regex', '(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)', 'unsayable'],
  ] as const)('%s %s', (kind, text, expected) => {
    expect(methods(kind, text)).toEqual(expected);
  });

  it('says when it is not quite what was asked for', () => {
    expect(methodPattern('prefix', '/a.B')).toHaveProperty('instead');
    expect(methodPattern('regex', '/a.B/C')).toHaveProperty('instead');
    expect(methodPattern('prefix', '/a.B/')).not.toHaveProperty('instead');
  });

  it('takes no call that the expression does not match, nor leaves one', () => {
    const part = fc.constantFrom('/', 'a', 'B', '\\.', '(a|B)', '(?:a|/B)', '|', '.*', '[^/]+', '^', '$', 'Get');
    const path = fc.constantFrom('/a/B', '/B/a', '/a.B/Get', '/a/Get', '/Get/a', '/aB/a', '/B.a/B', '/a.B/a');
    let said = 0;
    fc.assert(
      fc.property(fc.array(part, { minLength: 2, maxLength: 7 }), fc.array(path), (parts, paths) => {
        const regex = parts.join('');
        const pattern = methodPattern('regex', regex);
        if (regexFault(regex) !== undefined || pattern.kind === 'unsayable') return;
        said += 1;
        const found = pattern.kind === 'methods' ? pattern.methods : [];
        for (const each of paths) {
          const holds = found.some((method) => (method.endsWith('/') ? each.startsWith(method) : each === method));
          expect([regex, each, pattern.kind === 'any' || holds]).toEqual([regex, each, regexTest(regex, false)(each)]);
        }
      }),
      { numRuns: 20_000 },
    );
    expect(said).toBeGreaterThan(500);
  });
});
