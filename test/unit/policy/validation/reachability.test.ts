import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { validatePolicy } from '../../../../src/policy/validate';
import { runs } from '../../../support/slice';

interface Match {
  readonly methods?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

function warningsOf(matches: readonly Match[]): readonly string[] {
  const routes = matches.map((match, index) => ({ name: `r${index}`, match, to: 'stable' }));
  const { problems, warnings } = validatePolicy(
    { schema: 1, service: 'payments', subsets: { stable: {} }, routes },
    { service: 'payments' },
  );
  expect(problems).toEqual([]);
  return warnings.map(({ message }) => message);
}

/** The first earlier route that leaves nothing over, each compared with each. Routes that are taken take nobody. */
function takersOf(matches: readonly Match[]): readonly string[] {
  const reached: number[] = [];
  return matches.flatMap((match, index) => {
    const taker = reached.find((earlier) => takes(matches[earlier] as Match, match));
    if (taker !== undefined) {
      return [`routes[${index}]: never reached (expected: calls that the route r${taker} leaves over)`];
    }
    reached.push(index);
    return [];
  });
}

function takes(earlier: Match, later: Match): boolean {
  const wanted = Object.entries(earlier.labels ?? {});
  if (!wanted.every(([key, value]) => later.labels?.[key] === value)) return false;
  const methods = earlier.methods ?? ['/'];
  return (later.methods ?? ['/']).every((method) =>
    methods.some((other) => other === method || (other.endsWith('/') && method.startsWith(other))),
  );
}

const match: fc.Arbitrary<Match> = fc.record(
  {
    methods: fc.uniqueArray(fc.constantFrom('/', '/a.B/', '/a.B/C', '/a.B/D', '/a.C/', '/a.C/C'), { minLength: 1 }),
    labels: fc.dictionary(fc.constantFrom('x-a', 'x-b', 'x-c'), fc.constantFrom('1', '2'), { minKeys: 1 }),
  },
  { requiredKeys: [] },
);

describe('warnings about routes that are never reached', () => {
  it('are those that comparing each route with each gives', () => {
    fc.assert(
      fc.property(fc.array(match, { maxLength: 12 }), (matches) => {
        expect(warningsOf(matches)).toEqual(takersOf(matches));
      }),
      { numRuns: runs(500) },
    );
  });

  it('find the one route of many that is taken', () => {
    const tenants = Array.from({ length: 998 }, (_, index) => ({
      labels: { 'x-env': 'live', 'x-tenant': `t-${index}` },
    }));
    const narrower = { methods: ['/a.B/C'], labels: { 'x-env': 'live', 'x-tenant': 't-700' } };
    expect(warningsOf([...tenants, narrower])).toEqual([
      'routes[998]: never reached (expected: calls that the route r700 leaves over)',
    ]);
  });
});
