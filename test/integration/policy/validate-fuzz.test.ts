import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../src/policy/compile';
import type { PolicyDocument } from '../../../src/policy/document';
import { PolicyError } from '../../../src/policy/policy-error';
import { validatePolicy } from '../../../src/policy/validate';
import { soundPolicy } from '../../unit/policy/arbitrary-policy';

const OPTIONS = { service: 'payments', origin: 'inline' } as const;

/** Well formed, said in the form that people are promised. */
function expectGoodProblems(value: unknown): number {
  const { problems } = validatePolicy(value, { service: 'payments' });
  for (const { path, message } of problems) {
    expect(message.startsWith(path === '' ? 'policy: ' : `${path}: `)).toBe(true);
    expect(message).toMatch(/ \(expected: .+\)$/s);
  }
  return problems.length;
}

/** Anything that code may hand over, keys of prototypes and numbers that JSON has not included. */
const anything = fc.anything({
  key: fc.oneof(
    fc.string(),
    fc.constantFrom('schema', 'service', 'routes', 'subsets', '__proto__', 'constructor', 'to'),
  ),
  withBigInt: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withTypedArray: true,
  withSparseArray: true,
});

/** Puts something foreign into one place of a sound document. */
function withForeignPart(document: PolicyDocument, foreign: unknown, choose: (count: number) => number): unknown {
  const copy = structuredClone(document) as unknown;
  let holder = copy as Record<string, unknown>;
  for (;;) {
    const keys = Object.keys(holder);
    const key = keys[choose(keys.length)];
    if (key === undefined) return copy;
    const inner = holder[key];
    if (typeof inner === 'object' && inner !== null && Object.keys(inner).length > 0 && choose(4) > 0) {
      holder = inner as Record<string, unknown>;
      continue;
    }
    Object.defineProperty(holder, choose(3) === 0 ? 'wobble' : key, {
      value: foreign,
      enumerable: true,
      configurable: true,
      writable: true,
    });
    return copy;
  }
}

describe('validatePolicy', () => {
  it('judges anything without throwing', () => {
    fc.assert(
      fc.property(anything, (value) => void expectGoodProblems(value)),
      { numRuns: 1_000 },
    );
  });

  it('judges any JSON without throwing', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(expectGoodProblems(value)).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });

  it('judges sound documents with one foreign part without throwing, and compiles only what it passed', () => {
    fc.assert(
      fc.property(soundPolicy, anything, fc.infiniteStream(fc.nat(1_000)), (document, foreign, numbers) => {
        const choose = (count: number): number => (count === 0 ? 0 : numbers.next().value % count);
        const value = withForeignPart(document, foreign, choose);
        const problems = expectGoodProblems(value);
        try {
          compilePolicy({ content: value as object, format: 'object' }, OPTIONS);
          expect(problems).toBe(0);
        } catch (error) {
          expect(error).toBeInstanceOf(PolicyError);
          expect((error as PolicyError).problems).toHaveLength(problems);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('leaves prototypes alone', () => {
    const before = Object.getOwnPropertyNames(Object.prototype).sort();
    const hostile = JSON.parse(
      '{"__proto__":{"default":"x","polluted":1},"constructor":{"prototype":{"polluted":1}},"routes":[{"__proto__":{"name":"x"}}]}',
    );
    expectGoodProblems(hostile);
    expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(before);
    expect(validatePolicy(hostile, { service: 'payments' }).problems.map(({ path }) => path)).toContain(
      'routes[0].name',
    );
  });
});
