import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../src/base/random';
import { emptyPlan } from '../../../../src/policy/compile';
import { ALL_INSTANCES } from '../../../../src/policy/plan';
import { decide } from '../../../../src/policy/routing/decide';
import { environmentOf, inputOf, METHOD, NOW_MS, newOutcome, planOf, route, TWO_SUBSETS } from './fixture';

describe('decide', () => {
  it('sends everything everywhere without a policy', () => {
    expect(route(emptyPlan('payments'))).toMatchObject({
      by: 'default',
      route: 'default',
      destination: { subset: ALL_INSTANCES, chain: [ALL_INSTANCES] },
      timeoutMs: undefined,
      retry: undefined,
    });
  });

  it('takes the first route that matches, else the default', () => {
    const plan = planOf({
      ...TWO_SUBSETS,
      routes: [
        { name: 'first', match: { labels: { 'X-Gray': 'canary' } }, to: 'canary' },
        { name: 'second', match: { labels: { 'x-gray': { present: true } } }, to: 'stable' },
      ],
    });
    expect(route(plan, { labels: { 'x-gray': 'canary' } }).route).toBe('first');
    expect(route(plan, { labels: { 'x-gray': 'other' } }).route).toBe('second');
    expect(route(plan)).toMatchObject({ by: 'default', route: 'default', destination: { subset: 'stable' } });
  });

  it('matches methods exactly, or by a prefix that ends in /', () => {
    const plan = planOf({
      ...TWO_SUBSETS,
      routes: [{ name: 'r', match: { methods: [METHOD, '/shop.v1.Refunds/'] }, to: 'canary' }],
    });
    const subsetFor = (method: string): string => route(plan, { method }).destination.subset;
    expect(subsetFor(METHOD)).toBe('canary');
    expect(subsetFor(`${METHOD}Twice`)).toBe('stable');
    expect(subsetFor('/shop.v1.Refunds/Any')).toBe('canary');
    expect(subsetFor('/shop.v1.RefundsOld/Any')).toBe('stable');
  });

  it('ANDs what stands inside a match and ORs the groups of any', () => {
    const match = {
      labels: { 'x-a': '1' },
      any: [{ labels: { 'x-b': '1', 'x-c': '1' } }, { labels: { 'x-d': '1' } }],
    };
    const plan = planOf({ ...TWO_SUBSETS, routes: [{ name: 'r', match, to: 'canary' }] });
    const subsetFor = (...keys: string[]): string =>
      route(plan, { labels: Object.fromEntries(keys.map((key) => [key, '1'])) }).destination.subset;
    expect(subsetFor('x-a', 'x-b', 'x-c')).toBe('canary');
    expect(subsetFor('x-a', 'x-d')).toBe('canary');
    expect(subsetFor('x-a', 'x-b')).toBe('stable');
    expect(subsetFor('x-b', 'x-c', 'x-d')).toBe('stable');
  });

  it('takes timeout and retries from the route, else from the policy', () => {
    const plan = planOf({
      ...TWO_SUBSETS,
      timeoutMs: 900,
      retry: { maxAttempts: 2 },
      routes: [
        { name: 'own', match: { labels: { 'x-a': '1' } }, to: 'stable', timeoutMs: 100, retry: 'off' },
        { name: 'inherits', match: { labels: { 'x-a': '2' } }, to: 'stable' },
      ],
    });
    expect(route(plan, { labels: { 'x-a': '1' } })).toMatchObject({ timeoutMs: 100, retry: 'off' });
    expect(route(plan, { labels: { 'x-a': '2' } })).toMatchObject({ timeoutMs: 900, retry: { maxAttempts: 2 } });
    expect(route(plan)).toMatchObject({ timeoutMs: 900, retry: { maxAttempts: 2 } });
  });

  it('leaves fallbacks out under strict', () => {
    const plan = planOf({
      ...TWO_SUBSETS,
      routes: [
        { name: 'strict', match: { labels: { 'x-a': '1' } }, to: 'canary', strict: true },
        { name: 'open', to: 'canary' },
      ],
    });
    expect(route(plan, { labels: { 'x-a': '1' } }).destination.chain).toEqual(['canary']);
    expect(route(plan).destination.chain).toEqual(['canary', 'stable']);
  });

  it('keeps 10,000 other calls off a canary that is for testers only', () => {
    const plan = planOf({
      ...TWO_SUBSETS,
      routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true }],
    });
    const env = environmentOf(5);
    const others = [{}, { 'x-gray': 'Canary' }, { 'x-gray': '' }, { 'x-gray': 'canary ' }, { 'x-user-id': 'canary' }];
    let onCanary = 0;
    for (let index = 0; index < 10_000; index += 1) {
      const labels: Record<string, string> = others[index % others.length] ?? {};
      if (route(plan, { labels }, env).destination.subset !== 'stable') onCanary += 1;
    }
    expect(onCanary).toBe(0);
    expect(route(plan, { labels: { 'x-gray': 'canary' } }).destination).toMatchObject({
      subset: 'canary',
      strict: true,
    });
  });

  it('meets a 90/9.99/0.01 split within 3 standard deviations over 100,000 calls', () => {
    const weights = { stable: 90, canary: 9.99, next: 0.01 };
    const plan = planOf({
      subsets: { stable: { tags: ['a'] }, canary: { tags: ['b'] }, next: { tags: ['c'] } },
      default: 'stable',
      routes: [{ name: 'all', split: Object.entries(weights).map(([to, weight]) => ({ to, weight })) }],
    });
    const env = environmentOf(2026);
    const input = inputOf();
    const outcome = newOutcome();
    const counts = new Map<string, number>();
    for (let index = 0; index < 100_000; index += 1) {
      const { subset } = decide(plan, input, outcome, env).destination;
      counts.set(subset, (counts.get(subset) ?? 0) + 1);
    }
    for (const [subset, weight] of Object.entries(weights)) {
      const share = weight / 100;
      const deviation = Math.sqrt(100_000 * share * (1 - share));
      expect(Math.abs((counts.get(subset) ?? 0) - 100_000 * share)).toBeLessThan(3 * deviation);
    }
  });

  it('sends the same sticky value the same way, over plans, and says so', () => {
    const document = {
      ...TWO_SUBSETS,
      routes: [
        {
          name: 'all',
          split: [
            { to: 'stable', weight: 50 },
            { to: 'canary', weight: 50 },
          ],
          stickBy: 'x-user-id',
        },
      ],
    };
    const [one, two] = [planOf(document), planOf({ ...document, timeoutMs: 5 })];
    for (let user = 0; user < 200; user += 1) {
      const input = inputOf({ labels: { 'x-user-id': `u-${user}` } });
      const outcome = newOutcome();
      const first = decide(one, input, outcome, environmentOf(user));
      expect(outcome).toMatchObject({ sticky: true, hash: -1 });
      expect(outcome.bucket).toBe(one.routes[0]?.split.bucketOf(`u-${user}`));
      expect(decide(two, input, outcome, environmentOf(user + 1)).destination.subset).toBe(first.destination.subset);
    }
  });

  it('lets stickyKey replace the label that a route sticks by, and only there', () => {
    const split = [
      { to: 'stable', weight: 50 },
      { to: 'canary', weight: 50 },
    ];
    const plan = planOf({ ...TWO_SUBSETS, routes: [{ name: 'all', split, stickBy: 'x-user-id' }] });
    for (let user = 0; user < 50; user += 1) {
      const byLabel = route(plan, { labels: { 'x-user-id': `u-${user}` } });
      expect(route(plan, { labels: { 'x-user-id': 'other' }, stickyKey: `u-${user}` })).toBe(byLabel);
    }
    const loose = planOf({ ...TWO_SUBSETS, routes: [{ name: 'all', split }] });
    const outcome = newOutcome();
    decide(loose, inputOf({ stickyKey: 'u-1' }), outcome, environmentOf());
    expect(outcome.sticky).toBe(false);
  });

  it('goes by chance without the label, and does not sample', () => {
    const split = [
      { to: 'stable', weight: 50 },
      { to: 'canary', weight: 50 },
    ];
    const plan = planOf({
      ...TWO_SUBSETS,
      routes: [
        { name: 'sampled', match: { sample: { by: 'x-user-id', percent: 100 } }, to: 'canary' },
        { name: 'all', split, stickBy: 'x-user-id' },
      ],
    });
    const env = environmentOf();
    const subsets = new Set(Array.from({ length: 50 }, () => route(plan, {}, env).destination.subset));
    expect(subsets).toEqual(new Set(['stable', 'canary']));
    expect(route(plan, { labels: { 'x-user-id': 'u' } }).route).toBe('sampled');
  });

  it('hashes the ring label, and says -1 without it', () => {
    const plan = planOf({ ...TWO_SUBSETS, balancing: { algorithm: 'ring_hash', hashBy: 'X-Cart' } });
    const outcome = newOutcome();
    decide(plan, inputOf({ labels: { 'x-cart': 'c-1' } }), outcome, environmentOf());
    const { hash } = outcome;
    expect(hash).toBeGreaterThanOrEqual(0);
    decide(plan, inputOf({ labels: { 'x-cart': 'c-1' } }), outcome, environmentOf(9));
    expect(outcome.hash).toBe(hash);
    decide(plan, inputOf({ labels: { 'x-cart': 'c-2' } }), outcome, environmentOf());
    expect(outcome.hash).not.toBe(hash);
    decide(plan, inputOf(), outcome, environmentOf());
    expect(outcome.hash).toBe(-1);
  });

  it('looks each label up once, and only those that it needs', () => {
    const routes = Array.from({ length: 20 }, (_, index) => ({
      name: `r${index}`,
      match: { labels: { 'x-a': `${index}`, 'x-never': 'x' } },
      to: 'canary',
    }));
    const plan = planOf({ ...TWO_SUBSETS, routes });
    const asked: string[] = [];
    const labels = {
      get(key: string) {
        asked.push(key);
        return undefined;
      },
    };
    decide(plan, { ...inputOf(), labels }, newOutcome(), environmentOf());
    expect(asked).toEqual(['x-a']);
  });

  it('does not mix up decisions when looking up a label makes another one', () => {
    const plan = planOf({
      ...TWO_SUBSETS,
      routes: [{ name: 'r', match: { labels: { 'x-a': 'outer', 'x-b': 'outer' } }, to: 'canary' }],
    });
    const labels = {
      get(key: string) {
        if (key === 'x-b') route(plan, { labels: { 'x-a': 'inner', 'x-b': 'inner' } });
        return 'outer';
      },
    };
    expect(decide(plan, { ...inputOf(), labels }, newOutcome(), environmentOf()).route).toBe('r');
  });

  it('remembers more methods than it keeps', () => {
    const plan = planOf({ ...TWO_SUBSETS, routes: [{ name: 'r', match: { methods: ['/a.B/'] }, to: 'canary' }] });
    for (let index = 0; index < 2_500; index += 1) {
      expect(route(plan, { method: `/a.B/M${index}` }).route).toBe('r');
      expect(route(plan, { method: `/a.C/M${index}` }).route).toBe('default');
    }
  });

  it('answers with objects that the plan already holds', () => {
    const plan = planOf({
      ...TWO_SUBSETS,
      routes: [
        {
          name: 'all',
          split: [
            { to: 'stable', weight: 50 },
            { to: 'canary', weight: 50 },
          ],
        },
      ],
    });
    const known = new Set(plan.routes[0]?.split.entries.map((entry) => entry.decision));
    const env = environmentOf();
    for (let index = 0; index < 100; index += 1) expect(known.has(route(plan, {}, env))).toBe(true);
  });
});

describe('override', () => {
  const until = new Date(NOW_MS + 1_000).toISOString();
  const routes = [{ name: 'canaries', to: 'canary', timeoutMs: 50 }];

  it('beats routes until it ends, and ends by itself', () => {
    const plan = planOf({ ...TWO_SUBSETS, routes, override: { to: 'stable', until } });
    expect(route(plan)).toMatchObject({
      by: 'override',
      route: 'override',
      destination: { subset: 'stable' },
      datacenters: undefined,
    });
    expect(route(plan, {}, environmentOf(1, NOW_MS + 999)).by).toBe('override');
    expect(route(plan, {}, environmentOf(1, NOW_MS + 1_000))).toMatchObject({ by: 'route', route: 'canaries' });
  });

  it('holds to a datacenter what the routes decide, when it names only that', () => {
    const plan = planOf({ ...TWO_SUBSETS, routes, override: { datacenter: 'dc2', until } });
    const decision = route(plan);
    expect(decision).toMatchObject({ by: 'route', route: 'canaries', timeoutMs: 50, datacenters: ['dc2'] });
    expect(route(plan)).toBe(decision);
    expect(route(plan, {}, environmentOf(1, NOW_MS + 1_000)).datacenters).toBeUndefined();
  });

  it('may name both', () => {
    const plan = planOf({ ...TWO_SUBSETS, routes, override: { to: 'stable', datacenter: 'dc2', until } });
    expect(route(plan)).toMatchObject({ by: 'override', destination: { subset: 'stable' }, datacenters: ['dc2'] });
  });

  it('from the environment beats the one of the policy and never ends', () => {
    const plan = planOf({ ...TWO_SUBSETS, routes, override: { to: 'canary', until } }, { to: 'stable' });
    expect(plan.override).toMatchObject({ origin: 'environment', untilMs: Number.POSITIVE_INFINITY });
    expect(route(plan, {}, environmentOf(1, NOW_MS * 100))).toMatchObject({
      by: 'override',
      destination: { subset: 'stable' },
    });
  });

  it('from the environment is left out, with a warning, when its subset is unknown', () => {
    const plan = planOf({ ...TWO_SUBSETS, routes }, { to: 'blue' });
    expect(route(plan).route).toBe('canaries');
    expect(plan.warnings).toEqual([
      {
        path: 'override.to',
        message: expect.stringContaining('override.to: "blue" (expected: a subset of the policy'),
      },
    ]);
  });

  it('from the environment may name only a datacenter, and leaves the routes be', () => {
    const plan = planOf({ ...TWO_SUBSETS, routes }, { datacenter: 'dc2' });
    expect(route(plan)).toMatchObject({ by: 'route', route: 'canaries', datacenters: ['dc2'] });
  });

  it('holds a service without a policy to a datacenter', () => {
    const plan = emptyPlan('payments', { override: { datacenter: 'dc2' } });
    expect(route(plan)).toMatchObject({ destination: { subset: ALL_INSTANCES }, datacenters: ['dc2'] });
  });
});

describe('force', () => {
  const until = new Date(NOW_MS + 1_000).toISOString();
  const plan = planOf({
    ...TWO_SUBSETS,
    timeoutMs: 70,
    routes: [
      {
        name: 'all',
        split: [
          { to: 'stable', weight: 1 },
          { to: 'canary', weight: 1 },
        ],
        stickBy: 'x-user-id',
      },
    ],
    override: { to: 'stable', until },
  });

  it('beats override and routes, alone in its subset unless told otherwise', () => {
    const strict = route(plan, { force: { subset: 'canary' } });
    expect(strict).toMatchObject({
      by: 'force',
      route: 'force',
      timeoutMs: 70,
      destination: { subset: 'canary', chain: ['canary'] },
    });
    expect(plan.destinations[strict.destination.index]).toBe(strict.destination);
    const open = route(plan, { force: { subset: 'canary', strict: false } });
    expect(open.destination.chain).toEqual(['canary', 'stable']);
    expect(plan.destinations[open.destination.index]).toBe(open.destination);
  });

  it('names an unknown subset in a destination that no instance is in', () => {
    const decision = route(plan, { force: { subset: 'blue' } });
    expect(decision).toMatchObject({
      by: 'force',
      force: { subset: 'blue' },
      destination: { index: -1, subset: 'blue', chain: ['blue'] },
    });
  });

  it('is as if not asked for, when the subset is unknown and it is not strict', () => {
    expect(route(plan, { force: { subset: 'blue', strict: false } })).toBe(route(plan));
    expect(route(plan, { force: {} })).toBe(route(plan));
  });

  it('holds to a datacenter when strict, and lets go of that of the override', () => {
    const held = planOf({ ...TWO_SUBSETS, override: { datacenter: 'dc1', until } });
    expect(route(held, { force: { datacenter: 'dc2' } }).datacenters).toEqual(['dc2']);
    expect(route(held, { force: { subset: 'canary' } }).datacenters).toBeUndefined();
    expect(route(held, { force: { datacenter: 'dc2', strict: false } }).datacenters).toEqual(['dc1']);
  });

  it('keeps where routing would have gone, for an endpoint or an instance', () => {
    const force = { instance: 'payments-1' };
    expect(route(plan, { force })).toMatchObject({ by: 'force', force, destination: { subset: 'stable' } });
  });

  it('reports no bucket of a split that did not decide', () => {
    const outcome = newOutcome();
    const free = planOf({
      ...TWO_SUBSETS,
      routes: [
        {
          name: 'all',
          split: [
            { to: 'stable', weight: 1 },
            { to: 'canary', weight: 1 },
          ],
        },
      ],
    });
    decide(free, inputOf({ force: { subset: 'canary' } }), outcome, { ...environmentOf(), random: seededRandom(1) });
    expect(outcome).toMatchObject({ sticky: false, bucket: -1 });
  });
});
