import { describe, expect, it, test } from 'vitest';
import { definePolicy } from '../../../../src/index';
import { assertDecision, createTestClient, policyCases } from '../../../../src/testing';
import { closeAfterEach } from '../../../support/closers';
import { GRAY, graySplit } from '../../../support/gray-policy';

const closing = closeAfterEach();
const policy = definePolicy({
  ...GRAY,
  routes: [
    { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
    {
      name: 'charges',
      match: { methods: ['/shop.v1.Payments/Charge'] },
      split: graySplit(5),
      stickBy: 'x-user-id',
    },
  ],
});
const CHARGE = '/shop.v1.Payments/Charge';

describe('policyCases() as a table of tests', () => {
  test.each(
    policyCases(policy, [
      { labels: { 'x-gray': 'canary' }, subset: 'canary', route: 'testers' },
      { name: 'charges are split', method: CHARGE, shares: { stable: 95, canary: 5 } },
      { method: CHARGE, labels: { 'X-User-Id': 'u-1' }, subset: 'stable' },
      { method: CHARGE, stickyKey: 'u-1', subset: 'stable', route: 'charges' },
      { name: 'what nobody named', subset: 'stable', route: 'default', shares: { stable: 100 } },
    ]),
  )('$name', ({ run }) => run());
});

describe('a caller, and lists', () => {
  const listed = definePolicy({
    ...GRAY,
    routes: [
      { name: 'own', match: { from: ['checkout', 'carts'] }, to: 'canary' },
      { name: 'beta', match: { labels: { 'x-user-id': { list: 'beta-users' } } }, to: 'canary' },
      { name: 'paying', match: { labels: { 'x-plan': { not: { list: 'free-plans' } } } }, to: 'canary' },
    ],
  });
  const lists = { 'beta-users': ['u-1', 'u-2'], 'free-plans': ['free'] };
  const labels = { 'x-plan': 'free' };
  test.each(
    policyCases(
      listed,
      [
        { from: 'checkout', labels, route: 'own', subset: 'canary' },
        { from: 'invoices', labels, route: 'default' },
        { labels, route: 'default' },
        { labels: { ...labels, 'x-user-id': 'u-2' }, route: 'beta' },
        { labels: { ...labels, 'x-user-id': 'u-3' }, route: 'default' },
        { labels: { ...labels, 'x-user-id': 'u-3' }, lists: { 'beta-users': ['u-3'] }, route: 'beta' },
        { labels: { ...labels, 'x-user-id': 'u-3' }, route: 'default', name: 'after a case with lists of its own' },
        { labels: { 'x-plan': 'free' }, lists: { 'free-plans': [] }, route: 'paying' },
      ],
      { lists },
    ),
  )('$name', ({ run }) => run());

  it('are in the name of a case, and a list that is not given is told where a case fails', () => {
    const [only] = policyCases(listed, [{ from: 'orders', labels: { 'x-user-id': 'u-1' }, route: 'beta' }]);
    expect(only?.name).toBe('x-user-id=u-1 from orders');
    expect(only?.run).toThrow('not given, so without values: list beta-users, free-plans');
  });

  it.each<[object, object | undefined, string]>([
    [{ from: 3 }, undefined, 'cases[0].from: 3 (expected: the name of a service)'],
    [{ from: 'a b' }, undefined, 'cases[0].from: "a b" (expected: the name of a service)'],
    [{ lists: [] }, undefined, 'cases[0].lists: [] (expected: a list of texts for each name)'],
    [{ lists: { beta: [] } }, undefined, 'cases[0].lists.beta: this list (expected: one of beta-users, free-plans)'],
    [{}, { 'beta-users': [1] }, 'lists.beta-users: [1] (expected: a list of texts)'],
  ])('refuses %j with lists %j', (one, given, problem) => {
    const cases = [{ route: 'own', ...one }] as never;
    expect(() => policyCases(listed, cases, given && { lists: given as never })).toThrow(problem);
  });
});

describe('policyCases()', () => {
  const failing = (one: Parameters<typeof policyCases>[1][number]): string => {
    const [only] = policyCases(policy, [one]);
    try {
      only?.run();
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error('the case holds');
  };

  it('names a case after its call', () => {
    const names = policyCases(policy, [
      { method: CHARGE, labels: { 'x-gray': 'canary' }, stickyKey: 'u-1', subset: 'canary' },
      { subset: 'stable' },
    ]).map(({ name }) => name);
    expect(names).toEqual([`${CHARGE} x-gray=canary sticky key u-1`, 'a call without labels']);
  });

  it('says where a call went instead, and why', () => {
    expect(failing({ method: CHARGE, labels: { 'x-gray': 'Canary', 'x-user-id': 'u-1' }, subset: 'canary' })).toBe(
      `${CHARGE} x-gray=Canary x-user-id=u-1: subset: stable (expected: canary); decided by route charges\n` +
        '  testers did not match: x-gray: Canary (expected: = canary)',
    );
    expect(failing({ labels: { 'x-gray': 'canary' }, route: 'charges' })).toContain(
      'route: testers (expected: charges)',
    );
    expect(failing({ method: CHARGE, shares: { stable: 90, canary: 10 } })).toContain(
      'shares: stable 95 %, canary 5 % (expected: stable 90 %, canary 10 %)',
    );
  });

  it('does not take what happened by chance for what is always so', () => {
    expect(failing({ method: CHARGE, subset: 'stable' })).toContain('by chance, stable 95 %, canary 5 %');
  });

  it('refuses a table with faults, all of them at once', () => {
    const table = [
      { subset: 'canray' },
      { labels: { a: 1 }, subset: 'stable' },
      { method: 'Charge', route: 'x' },
      {},
      { to: 'x', route: 'y' },
    ];
    expect(() => policyCases(policy, table as never)).toThrow(
      [
        'cases[0].subset: "canray" (expected: one of stable, canary)',
        'cases[1].labels: {"a":1} (expected: strings by key)',
        'cases[2].method: "Charge" (expected: /package.Service/Method)',
        'cases[3]: nothing expected (expected: subset, route or shares)',
        'cases[4].to: "x" (expected: one of name, method, labels, stickyKey, from, lanes, lists, subset, route, shares)',
      ].join('\n'),
    );
    expect(() => policyCases(policy, [])).toThrow('cases: none');
    expect(() => policyCases({ ...policy, default: 'nobody' as 'stable' }, [{ subset: 'stable' }])).toThrow(/default/);
  });

  it('holds an override against the time that is given', () => {
    const until = '2030-01-01T00:00:00Z';
    const overridden = { ...policy, override: { to: 'canary' as const, until, by: 'x', reason: 'y' } };
    policyCases(overridden, [{ subset: 'canary', route: 'override' }], { at: new Date('2029-12-31') })[0]?.run();
    policyCases(overridden, [{ subset: 'stable' }], { at: new Date('2030-01-02') })[0]?.run();
  });
});

describe('assertDecision()', () => {
  it('asks a Graylane client, with all that it knows', async () => {
    const graylane = closing(createTestClient({ policy, labels: { 'x-gray': 'canary' }, instances: [] }), (one) =>
      one.close(),
    );
    await graylane.ready('payments', { timeoutMs: 1 }).catch(() => {});
    assertDecision(graylane, { method: CHARGE }, { subset: 'canary', route: 'testers' });
    expect(() => assertDecision(graylane, { labels: { 'x-gray': 'no' } }, { subset: 'canary' })).toThrow(
      /subset: stable \(expected: canary\).*testers did not match: x-gray: no/s,
    );
  });
});
