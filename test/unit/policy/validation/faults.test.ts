import { describe, expect, it } from 'vitest';
import { describeFault } from '../../../../src/policy/faults';
import { decide } from '../../../../src/policy/routing/decide';
import { explainRouting } from '../../../../src/policy/routing/explain';
import { validatePolicy } from '../../../../src/policy/validate';
import { environmentOf, inputOf, NOW_MS, newOutcome, planOf, TWO_SUBSETS } from '../routing/fixture';

const UNTIL = '2026-06-02T00:00:00Z';
const FAULT = { abort: 'UNAVAILABLE', percent: 10, until: UNTIL };
const NAMED = { name: 'f', ...FAULT };
const policy = (more: object): object => ({ schema: 1, service: 'payments', ...TWO_SUBSETS, ...more });
const problemsOf = (more: object): readonly string[] =>
  validatePolicy(policy(more), { service: 'payments' }).problems.map(({ message }) => message);

describe('faults of a policy and of its routes', () => {
  it('are taken when sound', () => {
    const route = {
      name: 'r',
      to: 'canary',
      fault: { ...FAULT, stopAbove: { failedPercentage: 5, minimumCalls: 50 } },
    };
    const named = {
      ...NAMED,
      in: 'canary',
      match: { labels: { 'x-a': '1' } },
      by: 'ops',
      reason: 'game day',
      delayMs: 300,
    };
    expect(problemsOf({ routes: [route], faults: [named, { ...NAMED, name: 'g', match: {} }] })).toEqual([]);
  });

  it.each<[string, object, string]>([
    ['nothing to do', { abort: undefined }, ': neither abort nor delayMs (expected: one of them, or both)'],
    ['no end', { until: undefined }, '.until: missing (expected: a text)'],
    [
      'an end that is no time',
      { until: 'tomorrow' },
      '.until: "tomorrow" (expected: a time as RFC 3339, such as 2026-12-01T10:00:00Z)',
    ],
    ['no share', { percent: undefined }, '.percent: missing (expected: a number)'],
    ['a share of 0', { percent: 0 }, '.percent: 0 (expected: > 0)'],
    ['a share above all', { percent: 101 }, '.percent: 101 (expected: <= 100)'],
    ['a share too fine', { percent: 0.005 }, '.percent: 0.005 (expected: 0.01 to 100 in steps of 0.01)'],
    ['OK as a failure', { abort: 'OK' }, '.abort: "OK" (expected: one of '],
    ['a status that does not exist', { abort: 'UNAVAILABL' }, '.abort: "UNAVAILABL" (expected: one of '],
    ['a delay of 0', { delayMs: 0 }, '.delayMs: 0 (expected: > 0)'],
    ['a delay of an hour', { delayMs: 3_600_000 }, '.delayMs: 3600000 (expected: <= 600000)'],
    [
      'a condition without a percentage',
      { stopAbove: {} },
      '.stopAbove.failedPercentage: missing (expected: a number)',
    ],
    [
      'a key of Istio',
      { fixedDelay: '5s' },
      '.fixedDelay: "5s" (expected: a known key; here delayMs, in milliseconds)',
    ],
  ])('are refused with %s', (_, change, expected) => {
    const changed = Object.fromEntries(
      Object.entries({ ...FAULT, ...change }).filter(([, value]) => value !== undefined),
    );
    const [ofRoute] = problemsOf({ routes: [{ name: 'r', to: 'canary', fault: changed }] });
    const [named] = problemsOf({ faults: [{ name: 'f', ...changed }] });
    expect(ofRoute).toContain(`routes[0].fault${expected}`);
    expect(named).toContain(`faults[0]${expected}`);
  });

  it.each<[string, object[], string]>([
    ['a name twice', [NAMED, NAMED], 'faults[1].name: "f" (expected: a name of its own; faults[0] has this one)'],
    [
      'an unknown subset',
      [{ ...NAMED, in: 'canray' }],
      'faults[0].in: "canray" (expected: one of stable, canary; did you mean canary?)',
    ],
    [
      'credentials in its match',
      [{ ...NAMED, match: { labels: { cookie: 'a' } } }],
      'faults[0].match.labels.cookie: this key (expected: a key that holds no credentials; cookie:name is one cookie)',
    ],
    [
      'a regular expression that is none',
      [{ ...NAMED, match: { labels: { 'x-a': { regex: '(' } } } }],
      'faults[0].match.labels.x-a.regex: "(" (expected: ',
    ],
  ])('are refused with %s', (_, faults, expected) => {
    expect(problemsOf({ faults })[0]).toContain(expected);
  });

  const led = {
    lanes: { by: 'x-lane' },
    routes: [
      { name: 'r', to: { service: 'v2', subset: 'canary', datacenter: 'dc2' }, mirror: { to: { service: 'copied' } } },
    ],
  };
  it.each<[unknown, string, string | undefined]>([
    ['lane pr-42', '100 % of attempts at lane pr-42', undefined],
    [{ subset: 'canary', datacenter: 'dc2' }, '100 % of attempts at canary in dc2', undefined],
    [{ peer: 'cloud' }, '100 % of attempts at stable in peer cloud', undefined],
    [{ service: 'payments', subset: 'canary' }, '100 % of attempts at canary', undefined],
    [{ service: 'v2', subset: 'canary' }, '100 % of attempts at v2/canary', undefined],
    ['lane ', '', '.in: "lane " (expected: one of stable, canary)'],
    [{ subset: 'canray' }, '', '.in.subset: "canray" (expected: one of stable, canary; did you mean canary?)'],
    [{ service: 'v2' }, '', '.in: v2 (expected: one that a route, a fallback or the override leads to: v2/canary; '],
    [{ service: 'copied' }, '', '.in: copied (expected: one that a route, '],
    [{ service: 'v2', subset: 'canary', fallback: 'stable' }, '', '.in.fallback: "stable" (expected: nothing; '],
    [{ datacenter: 'dc2', peer: 'cloud' }, '', '.in.peer: beside datacenter (expected: one of datacenter and peer)'],
    [{}, '', '.in: '],
  ])('are in %j: %s', (target, described, problem) => {
    const more = { ...led, faults: [{ ...NAMED, percent: 100, in: target }] };
    const [found] = problemsOf(more);
    if (problem !== undefined) return expect(found).toContain(`faults[0]${problem}`);
    expect(found).toBeUndefined();
    const [fault] = planOf({ ...TWO_SUBSETS, ...more } as object).faults ?? [];
    expect(fault && describeFault(fault)).toContain(described);
  });

  it('say what there is where a policy has no lanes, and leads to no other service', () => {
    const [lane, other] = ['lane a', { service: 'v2' }].map(
      (target) => problemsOf({ faults: [{ ...NAMED, in: target }] })[0],
    );
    expect(lane).toContain('"lane a" (expected: one of stable, canary; the policy has no lanes)');
    expect(other).toContain('leads to: none; for all of its callers a fault in its own policy');
  });

  it('are 20 at most', () => {
    const faults = Array.from({ length: 21 }, (_, index) => ({ ...NAMED, name: `f${index}` }));
    expect(problemsOf({ faults })).toEqual(['faults: 21 entries (expected: at most 20)']);
    expect(problemsOf({ faults: faults.slice(1) })).toEqual([]);
  });

  it('say in a wrong place where they stand', () => {
    expect(problemsOf({ fault: FAULT })[0]).toContain('did you mean faults?');
    expect(problemsOf({ routes: [{ name: 'r', to: 'canary', faults: [FAULT] }] })[0]).toContain('did you mean fault?');
    expect(problemsOf({ subsets: { canary: { fault: FAULT } }, default: 'canary' })[0]).toContain(
      'here fault on a route',
    );
  });
});

describe('which calls a fault concerns', () => {
  const plan = planOf({
    ...TWO_SUBSETS,
    routes: [
      { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', fault: FAULT },
      {
        name: 'everyone',
        split: [
          { to: 'stable', weight: 1 },
          { to: 'canary', weight: 1 },
        ],
      },
    ],
    faults: [
      { ...NAMED, name: 'all' },
      { ...NAMED, name: 'method', match: { methods: ['/shop.v1.Refunds/'] } },
      {
        ...NAMED,
        name: 'label',
        match: {
          labels: { 'x-user': { prefix: 'u-' } },
          any: [{ labels: { 'x-a': '1' } }, { labels: { 'x-b': '1' } }],
        },
      },
      { ...NAMED, name: 'sample', match: { sample: { by: 'x-user', percent: 100 } } },
      { ...NAMED, name: 'over', until: '2026-05-31T23:59:59Z' },
    ],
  });
  const of = (call: Parameters<typeof inputOf>[0]): readonly string[] => {
    const outcome = newOutcome();
    decide(plan, inputOf(call), outcome, environmentOf());
    return (outcome.faults ?? []).map(({ name }) => name);
  };

  it.each<[Parameters<typeof inputOf>[0], readonly string[]]>([
    [{}, ['all']],
    [{ method: '/shop.v1.Refunds/One' }, ['all', 'method']],
    [{ labels: { 'x-user': 'u-1', 'x-b': '1' } }, ['all', 'label', 'sample']],
    [{ labels: { 'x-user': 'u-1', 'x-a': '2' } }, ['all', 'sample']],
    [{ labels: { 'x-gray': 'canary' } }, ['all', 'route testers']],
    [{ labels: { 'x-gray': 'canary' }, force: { subset: 'stable' } }, ['all', 'route testers']],
  ])('%j: %j', (call, expected) => {
    expect(of(call)).toEqual(expected);
    const { faults = [] } = explainRouting(plan, inputOf(call), environmentOf());
    expect(faults.map(({ name }) => name)).toEqual(expected);
  });

  it('changes no decision, and no draw', () => {
    const { document: { faults: _, ...without } = {} } = plan;
    const bare = planOf(without);
    const [one, other] = [environmentOf(7), environmentOf(7)];
    for (let call = 0; call < 200; call += 1) {
      const input = inputOf({ labels: { 'x-user': `u-${call}` } });
      const [outcome, bareOutcome] = [newOutcome(), newOutcome()];
      const decision = decide(plan, input, outcome, one);
      expect(decision.destination.subset).toBe(decide(bare, input, bareOutcome, other).destination.subset);
      expect(bareOutcome.faults).toBeUndefined();
    }
  });

  it('concerns none while an override is in force', () => {
    const over = planOf({ ...TWO_SUBSETS, faults: [NAMED], override: { datacenter: 'dc2', until: UNTIL } });
    for (const [atMs, count] of [
      [NOW_MS, undefined],
      [Date.parse(UNTIL) - 1, undefined],
    ] as const) {
      const outcome = newOutcome();
      decide(over, inputOf(), outcome, environmentOf(1, atMs));
      expect(outcome.faults).toBe(count);
    }
  });

  it('reads the labels of its match', () => {
    expect(plan.labelKeys).toEqual(['x-gray', 'x-user', 'x-a', 'x-b']);
  });
});
