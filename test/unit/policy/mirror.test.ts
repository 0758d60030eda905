import { describe, expect, it } from 'vitest';
import { findDifferences } from '../../../src/ops/compare/differences';
import { definePolicy } from '../../../src/policy/define-policy';
import { explainMirror } from '../../../src/policy/routing/explain-mirror';
import { validatePolicy } from '../../../src/policy/validate';
import { planOf, route, TWO_SUBSETS } from './routing/fixture';

const everyone = (mirror: unknown, rest: object = { to: 'stable' }): object => ({
  ...TWO_SUBSETS,
  routes: [{ name: 'everyone', ...rest, mirror }],
});
const problemsOf = (document: object): readonly string[] =>
  validatePolicy({ schema: 1, service: 'payments', ...document }, { service: 'payments' }).problems.map(
    ({ message }) => message,
  );

describe('a mirror in a route', () => {
  it('is part of its decisions, with its defaults', () => {
    const { mirror } = route(planOf(everyone({ to: 'canary' })));
    expect(mirror).toMatchObject({ share: 10_000, maxInFlight: 100, timeoutMs: 10_000, compare: undefined });
    expect(mirror?.copy).toMatchObject({ by: 'route', route: 'everyone', retry: 'off' });
    expect(mirror?.copy.destination).toMatchObject({ subset: 'canary', strict: true, chain: ['canary'] });
    expect(mirror?.again.destination).toMatchObject({ subset: 'stable', strict: true, chain: ['stable'] });
    expect(mirror?.copy.mirror).toBeUndefined();
  });

  it('names the place that it is pinned to, and a second copy goes where the call goes', () => {
    const pinned = { subset: 'stable', datacenter: 'dc2' };
    const mirror = { to: { subset: 'canary', datacenter: 'dc3' } };
    const decision = route(planOf(everyone(mirror, { to: pinned })));
    expect(decision.mirror?.again.destination).toMatchObject({ subset: 'stable', strict: true, places: [['dc2']] });
    expect(decision.mirror?.copy.destination).toMatchObject({ subset: 'canary', strict: true, places: [['dc3']] });
    expect(explainMirror(decision, '/a.B/C', false, undefined)?.to).toBe('canary in dc3');
    const other = route(planOf(everyone({ to: 'canary' }, { to: { service: 'orders', datacenter: 'dc2' } })));
    expect(other.mirror?.again.destination).toMatchObject({ subset: 'orders', places: [['dc2']] });
  });

  it('says how answers are compared', () => {
    const compare = (written: unknown) => route(planOf(everyone({ to: 'canary', compare: written }))).mirror?.compare;
    expect([compare(true), compare({}), compare({ ignore: ['a.*.b'] }), compare(false)]).toEqual([
      { ignore: [] },
      { ignore: [] },
      { ignore: ['a.*.b'] },
      undefined,
    ]);
  });

  it('counts percent in steps of 0.01', () => {
    const share = (percent: number) => route(planOf(everyone({ to: 'canary', percent }))).mirror?.share;
    expect([share(0), share(0.01), share(33.33), share(100)]).toEqual([0, 1, 3_333, 10_000]);
  });

  it('leaves alone what goes to its subset anyway', () => {
    const split = [
      { to: 'stable', weight: 1 },
      { to: 'canary', weight: 1 },
    ];
    const plan = planOf(everyone({ to: 'canary' }, { split }));
    const [stable, canary] = plan.routes[0]?.split.entries.map(({ decision }) => decision) ?? [];
    expect([stable?.mirror?.copy.destination.subset, canary?.mirror]).toEqual(['canary', undefined]);
  });

  it('is part of no decision by an override, by force, or by no route', () => {
    const document = everyone({ to: 'canary' }, { to: 'stable', match: { labels: { 'x-a': 'a' } } });
    const labels = { 'x-a': 'a' };
    const until = '2099-01-01T00:00:00Z';
    expect(route(planOf(document), { labels }).mirror).toBeDefined();
    expect(route(planOf(document)).mirror).toBeUndefined();
    expect(route(planOf(document), { labels, force: { datacenter: 'dc1' } }).mirror).toBeUndefined();
    expect(route(planOf({ ...document, override: { to: 'stable', until } }), { labels }).mirror).toBeUndefined();
    expect(route(planOf({ ...document, override: { datacenter: 'dc1', until } }), { labels }).mirror).toBeDefined();
  });

  it('shows in a difference by its own path', () => {
    const differences = findDifferences(everyone({ to: 'canary', percent: 1 }), everyone({ to: 'canary', percent: 5 }));
    expect(differences).toEqual([{ path: 'routes[everyone].mirror.percent', kind: 'changed', before: 1, after: 5 }]);
  });

  it('has the names of subsets as its type', () => {
    const subsets = { stable: {}, canary: {} };
    definePolicy({
      schema: 1,
      service: 'payments',
      subsets,
      default: 'stable',
      // @ts-expect-error: a slip of the pen does not compile
      routes: [{ name: 'everyone', to: 'stable', mirror: { to: 'canray' } }],
    });
  });
});

describe('a mirror is refused', () => {
  it.each<[unknown, readonly string[]]>([
    [
      { to: 'stable' },
      [
        'routes[0].mirror.to: "stable" (expected: another destination than the one that the route itself sends calls to)',
      ],
    ],
    [{ to: 'canray' }, ['routes[0].mirror.to: "canray" (expected: one of stable, canary; did you mean canary?)']],
    [
      {},
      [
        'routes[0].mirror.to: missing (expected: the name of a subset, or an object with service, subset, datacenter or peer)',
      ],
    ],
    [{ to: 'canary', percent: 101 }, ['routes[0].mirror.percent: 101 (expected: <= 100)']],
    [{ to: 'canary', percent: 0.005 }, ['routes[0].mirror.percent: 0.005 (expected: steps of 0.01)']],
    [{ to: 'canary', timeoutMs: 0 }, ['routes[0].mirror.timeoutMs: 0 (expected: > 0)']],
    [{ to: 'canary', maxInFlight: 0 }, ['routes[0].mirror.maxInFlight: 0 (expected: >= 1)']],
    [{ to: 'canary', compare: 'yes' }, ['routes[0].mirror.compare: "yes" (expected: true or false or an object)']],
    [
      { to: 'canary', compare: { ignore: ['a..b'] } },
      [
        'routes[0].mirror.compare.ignore[0]: "a..b" (expected: names of fields with dots between them, * for each item of a list)',
      ],
    ],
    [{ to: 'canary', percentage: 5 }, [expect.stringContaining('routes[0].mirror.percentage')]],
  ])('%j', (mirror, problems) => {
    expect(problemsOf(everyone(mirror))).toEqual(problems);
  });

  it('on the policy itself, with where it belongs', () => {
    expect(problemsOf({ ...TWO_SUBSETS, mirror: { to: 'canary' } })[0]).toContain(
      'routes: [{ name, to, mirror: { to, percent } }]',
    );
  });
});
