import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../../src/base/instances';
import type { LaneDocument } from '../../../../src/policy/document';
import { membershipOf } from '../../../../src/policy/membership/membership';
import type { InstanceSet } from '../../../../src/policy/membership/snapshot';
import type { Plan } from '../../../../src/policy/plan';
import { decide } from '../../../../src/policy/routing/decide';
import { explainRouting } from '../../../../src/policy/routing/explain';
import { runs } from '../../../support/slice';
import { environmentOf, inputOf, newOutcome, planOf } from '../routing/fixture';
import { instanceSetOf } from './worlds';

const PAST = '2026-05-01T00:00:00Z';
const FUTURE = '2026-07-01T00:00:00Z';
// Of one length and with one ending, too: both are looked at before names are.
const VALUES = ['a', 'pr-42', 'pr-1042'];
const SUBSETS = ['stable', 'canary', 'open'];

interface Dimension extends LaneDocument {
  readonly meta: string;
}

type Values = readonly (string | undefined)[];

interface World {
  readonly dimensions: readonly Dimension[];
  readonly instances: readonly Instance[];
  readonly calls: readonly Values[];
}

const value = fc.option(fc.constantFrom(...VALUES), { nil: undefined });

const world: fc.Arbitrary<World> = fc.integer({ min: 1, max: 4 }).chain((count) => {
  const dimension = fc.record({
    fallback: fc.option(fc.constantFrom('canary', 'open'), { nil: undefined }),
    strict: fc.boolean(),
    ends: fc.dictionary(fc.constantFrom(...VALUES), fc.constantFrom(PAST, FUTURE), { maxKeys: 2 }),
  });
  const instance = fc.record({
    values: fc.array(value, { minLength: count, maxLength: count }),
    isTagged: fc.boolean(),
    tag: fc.constantFrom('stable', 'canary', 'other'),
    datacenter: fc.constantFrom('dc1', 'dc2'),
    status: fc.constantFrom('passing' as const, 'critical' as const),
  });
  return fc
    .record({
      written: fc.array(dimension, { minLength: count, maxLength: count }),
      listed: fc.array(instance, { maxLength: 8 }),
      calls: fc.array(
        fc.array(fc.oneof(value, fc.constantFrom('', 'z', 'qa-42', 'pr-2042', 'pr-43')), {
          minLength: count,
          maxLength: count,
        }),
        {
          minLength: 6,
          maxLength: 12,
        },
      ),
    })
    .map(({ written, listed, calls }) => {
      const dimensions = written.map(
        ({ fallback, ...rest }, at): Dimension => ({
          by: `x-lane-${at}`,
          meta: `lane${at}`,
          ...rest,
          ...(fallback !== undefined && { fallback }),
        }),
      );
      const instances = listed.map((one, at): Instance => {
        const pairs = one.values.flatMap((lane, dimension) =>
          lane === undefined ? [] : [[`lane${dimension}`, lane] as const],
        );
        return {
          ...{ id: `i${at}`, key: `${one.datacenter}/n/i${at}`, node: 'n', zone: undefined, weight: 1 },
          ...{ datacenter: one.datacenter, address: '10.0.0.1', port: 9_000 + at, status: one.status },
          tags: [one.tag, ...(one.isTagged ? pairs.map((pair) => pair.join('=')) : [])],
          meta: one.isTagged ? {} : Object.fromEntries(pairs),
        };
      });
      return { dimensions, instances, calls };
    });
});

function worldPlan(dimensions: readonly Dimension[]): Plan {
  return planOf({
    subsets: {
      stable: { tags: ['stable'] },
      canary: { tags: ['canary'], fallback: 'stable' },
      open: { lanes: 'include' },
    },
    default: 'stable',
    routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
    lanes: dimensions.length === 1 ? dimensions[0] : dimensions,
  });
}

/** The rule as docs/lanes.md says it, slow and obvious: what the call goes to, or why it goes nowhere. */
function ruleOf(dimensions: readonly Dimension[], instances: readonly Instance[], call: Values): string {
  let left = call.map((lane, at) => {
    if (lane === undefined || lane === '') return undefined;
    return dimensions[at]?.ends?.[lane] === PAST ? undefined : lane;
  });
  const first = left.findIndex((lane) => lane !== undefined);
  while (left.some((lane) => lane !== undefined)) {
    if (instances.some((instance) => sameValues(valuesOf(instance, dimensions), left))) return `lane ${nameOf(left)}`;
    const last = left.findLastIndex((lane) => lane !== undefined);
    if (dimensions[last]?.strict === true) return 'refused';
    left = left.map((lane, at) => (at === last ? undefined : lane));
  }
  return dimensions[first]?.fallback ?? 'routes';
}

function valuesOf({ meta, tags }: Instance, dimensions: readonly Dimension[]): Values {
  return dimensions.map(({ meta: key }) => meta[key] ?? tags.find((tag) => tag.startsWith(`${key}=`))?.split('=')[1]);
}

function sameValues(a: Values, b: Values): boolean {
  return a.every((lane, at) => lane === b[at]);
}

function nameOf(values: Values): string {
  const last = values.findLastIndex((lane) => lane !== undefined);
  return values
    .slice(0, last + 1)
    .map((lane) => lane ?? '-')
    .join(', ');
}

function labelsOf(call: Values): Record<string, string> {
  return Object.fromEntries(call.flatMap((lane, at) => (lane === undefined ? [] : [[`x-lane-${at}`, lane]])));
}

function found(plan: Plan, set: InstanceSet, call: Values): string {
  const { lanes } = membershipOf(plan, set);
  const input = inputOf({ labels: labelsOf(call) });
  const decision = decide(plan, input, newOutcome(), { ...environmentOf(), lanes });
  const explained = explainRouting(plan, input, { ...environmentOf(), lanes });
  expect(explained.decision).toMatchObject({ by: decision.by, subset: decision.destination.subset });
  expect(explained.decision.lane).toBe(decision.lane);
  if (decision.by === 'default') return 'routes';
  expect(decision.by).toBe('lane');
  if (decision.destination.subset === 'lane') {
    expect(explained.lane).toMatchObject({ result: 'refused' });
    return 'refused';
  }
  expect(decision.lane === undefined).toBe(!decision.destination.subset.startsWith('lane '));
  return decision.destination.subset;
}

describe('lanes', () => {
  it('lead calls as the rule says, whatever the dimensions', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(world, ({ dimensions, instances, calls }) => {
        const plan = worldPlan(dimensions);
        const set = instanceSetOf(instances);
        for (const call of calls) {
          const expected = ruleOf(dimensions, instances, call);
          expect(found(plan, set, call)).toBe(expected);
          const kind = expected.startsWith('lane ') ? 'lane' : expected;
          seen.set(kind, (seen.get(kind) ?? 0) + 1);
        }
      }),
      { numRuns: runs(150), seed: 7 },
    );
    for (const kind of ['lane', 'refused', 'routes', 'canary', 'open'])
      expect(seen.get(kind), kind).toBeGreaterThan(20);
  });

  it('have their instances for themselves, but for subsets that include them', () => {
    fc.assert(
      fc.property(world, ({ dimensions, instances }) => {
        const membership = membershipOf(worldPlan(dimensions), instanceSetOf(instances));
        for (const instance of instances) {
          const values = valuesOf(instance, dimensions);
          const isIn = values.some((lane) => lane !== undefined);
          const own = membership.groups
            .filter(({ usable, unusable }) => [...usable, ...unusable].includes(instance))
            .map(({ subset }) => subset);
          const [tag = ''] = instance.tags;
          const expected = isIn
            ? [`lane ${nameOf(values)}`, 'open']
            : [...(SUBSETS.includes(tag) ? [tag] : []), 'open'];
          expect([...own].sort()).toEqual(expected.sort());
          expect(membership.unassigned).not.toContain(instance);
          expect(membership.wouldTake(`lane ${nameOf(values)}`, instance)).toBe(isIn);
          expect(membership.wouldTake('stable', instance)).toBe(!isIn && tag === 'stable');
        }
      }),
      { numRuns: runs(100), seed: 7 },
    );
  });

  it('are tried before whoever stands in for them: fewer dimensions, then the fallback, then nobody', () => {
    const dimensions = [
      { by: 'x-lane-0', meta: 'lane0', fallback: 'canary' },
      { by: 'x-lane-1', meta: 'lane1' },
    ];
    const listed = [
      { meta: { lane0: 'a', lane1: 'eu' } },
      { meta: { lane0: 'a' } },
      { meta: { lane1: 'eu' } },
      { tags: ['stable'] },
    ];
    const chainOf = (lanes: readonly object[], call: Values): readonly string[] => {
      const plan = worldPlan(lanes as readonly Dimension[]);
      const table = membershipOf(plan, instanceSetOf(listed)).lanes;
      const input = inputOf({ labels: labelsOf(call) });
      return decide(plan, input, newOutcome(), { ...environmentOf(), lanes: table }).destination.chain;
    };
    expect(chainOf(dimensions, ['a', 'eu'])).toEqual(['lane a, eu', 'lane a', 'canary', 'stable']);
    expect(chainOf(dimensions, ['a', 'us'])).toEqual(['lane a', 'canary', 'stable']);
    // The first dimension that the call asks for says what stands in.
    expect(chainOf(dimensions, [undefined, 'eu'])).toEqual(['lane -, eu', 'stable']);
    const strictLast = [dimensions[0] ?? {}, { ...dimensions[1], strict: true }];
    expect(chainOf(strictLast, ['a', 'eu'])).toEqual(['lane a, eu']);
    const strictFirst = [{ by: 'x-lane-0', meta: 'lane0', strict: true }, dimensions[1] ?? {}];
    expect(chainOf(strictFirst, ['a', 'eu'])).toEqual(['lane a, eu', 'lane a']);
  });
});
