import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findMovedCallers, type MovedCallers } from '../../../../src/ops/compare/moved-callers';
import type { Plan } from '../../../../src/policy/plan';
import { planOf, route as routeOf } from '../../../unit/policy/routing/fixture';

const NAMES = ['stable', 'canary', 'beta', 'gamma', 'delta'] as const;
const subsets = Object.fromEntries(NAMES.map((name) => [name, { tags: [name] }]));

interface Change {
  readonly name?: string;
  readonly stickBy?: string | undefined;
  readonly stickySalt?: string;
  readonly match?: object;
  readonly default?: string;
  readonly order?: readonly string[];
}

/** One sticky route over as many subsets as there are weights. */
function planWith(weights: readonly number[], { default: base = 'stable', order, ...change }: Change = {}): Plan {
  const entries = weights.map((weight, index) => ({ to: NAMES[index] ?? '', weight }));
  const split = order === undefined ? entries : order.map((name) => entries.find(({ to }) => to === name));
  return planOf({ subsets, default: base, routes: [{ name: 'r', split, stickBy: 'x-user', ...change }] });
}

function moved(before: Plan, after: Plan): MovedCallers {
  const [only, ...more] = findMovedCallers(before, after);
  if (only === undefined || more.length > 0) throw new Error('not one');
  return only;
}

const weights = (count: number): fc.Arbitrary<readonly number[]> =>
  fc
    .array(fc.integer({ min: 0, max: 100 }), { minLength: count, maxLength: count })
    .filter((all) => all.some((one) => one > 0));

describe('findMovedCallers', () => {
  it('counts what really moves', () => {
    const [before, after] = [planWith([95, 5]), planWith([75, 25])];
    const callers = Array.from({ length: 10_000 }, (_, index) => ({ labels: { 'x-user': `real user ${index}` } }));
    const really = callers.filter(
      (call) => routeOf(before, call).destination.subset !== routeOf(after, call).destination.subset,
    );
    const { moved: share, needed, reshuffled } = moved(before, after);
    expect(share).toBeCloseTo(really.length / callers.length, 1);
    expect(share).toBeGreaterThan(0.19);
    expect(share).toBeLessThan(0.21);
    expect([needed.toFixed(2), reshuffled]).toEqual(['0.20', undefined]);
  });

  it.each([2, 3, 4, 5])('takes no change of weights alone for a reshuffle, with %i entries', (count) => {
    fc.assert(
      fc.property(weights(count), weights(count), (one, other) => {
        expect(moved(planWith(one), planWith(other)).reshuffled).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });

  it.each<[string, readonly number[], Change, RegExp]>([
    ['another name', [50, 50], { name: 'q' }, /its salt changed with the name r to q; stickySalt: r keeps it/],
    ['another salt', [50, 50], { stickySalt: 's' }, /its stickySalt changed/],
    ['another label', [50, 50], { stickBy: 'x-session' }, /stickBy is x-session instead of x-user/],
    ['no label', [50, 50], { stickBy: undefined }, /without stickBy, each of their calls goes by chance/],
    ['another base', [60, 40], { default: 'canary' }, /the base of the split is canary instead of stable/],
    ['another order', [60, 30, 10], { order: ['stable', 'beta', 'canary'] }, /inserted, reordered, or grew/],
    ['a fourth entry', [60, 30, 10, 1], {}, /inserted, reordered, or grew beyond three/],
  ])('takes %s for one, and says why', (_, shares, change, reason) => {
    const { moved: share, needed, reshuffled } = moved(planWith(shares.slice(0, 3)), planWith(shares, change));
    expect(reshuffled).toMatch(reason);
    expect(share).toBeGreaterThan(needed + 0.02);
  });

  it('takes no rename that keeps its salt for one, and no step to all or nothing', () => {
    expect(moved(planWith([50, 50]), planWith([50, 50], { name: 'q', stickySalt: 'r' }))).toMatchObject({
      moved: 0,
      newRoute: 'q',
    });
    const all = planOf({ subsets, default: 'stable', routes: [{ name: 'r', to: 'canary' }] });
    const { moved: share, reshuffled } = moved(planWith([50, 50]), all);
    expect([Math.round(share * 10), reshuffled]).toEqual([5, undefined]);
  });

  it('counts callers that a sample takes in or leaves out', () => {
    const sampled = (percent: number, change: object = {}): Plan =>
      planOf({
        subsets,
        default: 'stable',
        routes: [{ name: 'r', to: 'canary', match: { sample: { by: 'x-user', percent } }, ...change }],
      });
    expect(moved(sampled(10), sampled(15))).toMatchObject({
      of: 'sample',
      needed: expect.closeTo(0.05, 2),
      reshuffled: undefined,
    });
    expect(moved(sampled(10), sampled(10, { stickySalt: 's' })).reshuffled).toMatch(/its salt changed/);
    const relabelled = sampled(10, { match: { sample: { by: 'x-session', percent: 10 } } });
    expect(moved(sampled(10), relabelled).reshuffled).toMatch(/sample.by is x-session instead of x-user/);
  });
});
