import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LabelMatcherDocument, RouteDocument } from '../../../../src/policy/document';
import type { LabelCondition, Plan } from '../../../../src/policy/plan';
import type { Labels } from '../../../../src/policy/routing/call';
import { decide } from '../../../../src/policy/routing/decide';
import { runs } from '../../../support/slice';
import { environmentOf, inputOf, newOutcome, planOf } from './fixture';

const value = fc.constantFrom('a', 'A', 'b', 'c', 'constructor', '');
const matcher: fc.Arbitrary<LabelMatcherDocument> = fc.oneof(
  { weight: 4, arbitrary: value },
  fc.record({ exact: value }),
  fc.record({ exact: value, ignoreCase: fc.constant(true) }),
  fc.record({ in: fc.uniqueArray(value, { minLength: 1 }) }),
  fc.record({ in: fc.uniqueArray(value, { minLength: 1 }), not: fc.record({ exact: value }) }),
  fc.record({ not: value }),
  fc.record({ prefix: fc.constantFrom('a', 'c') }),
  fc.record({ present: fc.boolean() }),
);
const key = fc.constantFrom('x-one', 'x-two', 'x-three');
const labels = fc.dictionary(key, matcher, { minKeys: 1, maxKeys: 3 });
const methods = fc.option(fc.constantFrom(['/a.B/C'], ['/a.B/'], ['/other.D/E']), { nil: undefined });

function documentOf(matches: readonly Pick<RouteDocument, 'match'>['match'][]) {
  const routes = matches.map((match, index) => ({ name: `route-${index}`, match, to: 'canary' }));
  return { schema: 1, service: 'payments', subsets: { stable: {}, canary: {} }, default: 'stable', routes } as const;
}

function tenants(count: number) {
  return documentOf(Array.from({ length: count }, (_, index) => ({ labels: { 'x-tenant': `tenant-${index}` } })));
}

describe('route index', () => {
  it('finds the very route that a walk over all of them finds', () => {
    const match = fc
      .record({ labels, methods })
      .map((each) => (each.methods === undefined ? { labels: each.labels } : { ...each, methods: each.methods }));
    fc.assert(
      fc.property(
        fc.array(match, { minLength: 4, maxLength: 40 }),
        fc.array(fc.dictionary(key, value), { minLength: 10, maxLength: 20 }),
        (matches, calls) => {
          const plan = planOf(documentOf(matches as RouteDocument['match'][]));
          for (const call of calls) {
            const input = inputOf({ method: '/a.B/C', labels: call });
            const found = decide(plan, input, newOutcome(), environmentOf());
            const walked = decide(plan, input, newOutcome(), environmentOf(), {
              laneDecided() {},
              routeSeen() {},
              overrideSeen() {},
            });
            expect(found.route).toBe(walked.route);
          }
        },
      ),
      { numRuns: runs(500) },
    );
  });

  it('looks a label up once, however many routes ask for it', () => {
    const plan = planOf(tenants(1_000));
    let lookups = 0;
    const counted: Labels = {
      get(asked) {
        lookups += 1;
        return asked === 'x-tenant' ? 'tenant-999' : undefined;
      },
    };
    const input = { ...inputOf({ method: '/a.B/C', labels: {} }), labels: counted };
    expect(decide(plan, input, newOutcome(), environmentOf()).route).toBe('route-999');
    expect(lookups).toBe(1);
  });

  it('tests the condition of one route among a thousand', () => {
    let tested = 0;
    const counting = (condition: LabelCondition): LabelCondition => ({
      ...condition,
      test(given) {
        tested += 1;
        return condition.test(given);
      },
    });
    const sound = planOf(tenants(1_000));
    const routes = sound.routes.map((each) =>
      each.match === undefined ? each : { ...each, match: { ...each.match, labels: each.match.labels.map(counting) } },
    );
    const plan: Plan = { ...sound, routes };
    const input = inputOf({ method: '/a.B/C', labels: { 'x-tenant': 'tenant-999' } });
    expect(decide(plan, input, newOutcome(), environmentOf()).route).toBe('route-999');
    expect(tested).toBe(1);
  });
});
