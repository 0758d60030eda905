import { describe, expect, it } from 'vitest';
import { explainRouting } from '../../../../src/policy/routing/explain';
import { environmentOf, inputOf, METHOD, NOW_MS, planOf, route, TWO_SUBSETS } from './fixture';

const plan = planOf({
  ...TWO_SUBSETS,
  routes: [
    { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true },
    { name: 'refunds', match: { methods: ['/shop.v1.Refunds/'] }, to: 'canary' },
    {
      name: 'groups',
      match: { any: [{ labels: { 'x-tier': 'vip' } }, { labels: { 'x-tier': { prefix: 's' }, 'x-b': '1' } }] },
      to: 'canary',
    },
    { name: 'sampled', match: { sample: { by: 'x-user-id', percent: 0 } }, to: 'canary' },
    {
      name: 'everyone',
      split: [
        { to: 'stable', weight: 95 },
        { to: 'canary', weight: 5 },
      ],
      stickBy: 'x-user-id',
      timeoutMs: 800,
    },
    { name: 'late', match: { labels: { 'x-z': 'z' } }, to: 'canary' },
  ],
});

describe('explainRouting', () => {
  it('tells of each route whether it matched, and else why not', () => {
    const explained = explainRouting(
      plan,
      inputOf({ labels: { 'x-tier': 'bronze', 'x-user-id': 'u-1' } }),
      environmentOf(),
    );
    expect(explained.routes).toEqual([
      { name: 'testers', result: 'missed', reason: 'x-gray: missing (expected: = canary)' },
      { name: 'refunds', result: 'missed', reason: 'method (expected: /shop.v1.Refunds/)' },
      { name: 'groups', result: 'missed', reason: 'any (expected: x-tier = vip; or x-tier prefix s and x-b = 1)' },
      {
        name: 'sampled',
        result: 'missed',
        reason: 'sample by x-user-id: u-1 (expected: one of the 0 % of values that are sampled)',
      },
      {
        name: 'everyone',
        result: 'matched',
        split: [
          { to: 'stable', percent: 95 },
          { to: 'canary', percent: 5 },
        ],
      },
      { name: 'late', result: 'skipped' },
    ]);
    expect(explained).toMatchObject({
      service: 'payments',
      revision: plan.revision,
      method: METHOD,
      decision: { by: 'route', route: 'everyone', strict: false, timeoutMs: 800 },
      sticky: true,
      bucket: plan.routes[4]?.split.bucketOf('u-1'),
      labels: { 'x-gray': null, 'x-tier': 'bronze', 'x-user-id': 'u-1' },
    });
  });

  it('says what a call would get', () => {
    for (const labels of [{}, { 'x-gray': 'canary' }, { 'x-user-id': 'u-7' }, { 'x-tier': 'vip' }] as Record<
      string,
      string
    >[]) {
      const decision = route(plan, { labels }, environmentOf(3));
      const explained = explainRouting(plan, inputOf({ labels }), environmentOf(3));
      expect(explained.decision).toMatchObject({
        by: decision.by,
        route: decision.route,
        subset: decision.destination.subset,
      });
    }
  });

  it('is plain JSON', () => {
    const explained = explainRouting(plan, inputOf({ force: { subset: 'canary' } }), environmentOf());
    expect(JSON.parse(JSON.stringify(explained))).toEqual(explained);
    expect(explained.decision).toMatchObject({ by: 'force', subset: 'canary', force: { subset: 'canary' } });
  });

  it('shows an override, and that the routes were not asked', () => {
    const until = new Date(NOW_MS + 1_000).toISOString();
    const document = {
      ...TWO_SUBSETS,
      routes: [{ name: 'r', to: 'canary' }],
      override: { to: 'stable', until, by: 'ops', reason: 'incident' },
    };
    const during = explainRouting(planOf(document), inputOf(), environmentOf());
    expect(during.override).toEqual({ inForce: true, origin: 'policy', until, by: 'ops', reason: 'incident' });
    expect(during.routes).toEqual([{ name: 'r', result: 'skipped' }]);
    const after = explainRouting(planOf(document), inputOf(), environmentOf(1, NOW_MS + 1_000));
    expect(after.override?.inForce).toBe(false);
    expect(after.routes[0]?.result).toBe('matched');
  });
});
