import { describe, expect, it } from 'vitest';
import { faultFindings } from '../../../../src/ops/effect/faults';
import { compilePolicy, emptyPlan } from '../../../../src/policy/compile';

const NOW_MS = Date.parse('2026-06-01T00:00:00Z');
const BOTH = [
  { to: 'stable', weight: 1 },
  { to: 'canary', weight: 1 },
];

function found(target: unknown, route: object | undefined, more: object = {}): readonly string[] {
  const fault = { name: 'f', in: target, abort: 'UNAVAILABLE', percent: 100, until: '2100-01-01T00:00:00Z', ...more };
  const content = {
    ...{ schema: 1, service: 'payments', default: 'stable', faults: [fault] },
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
    routes: route === undefined ? [] : [{ name: 'everyone', ...route }],
  };
  const plan = compilePolicy({ content, format: 'object' }, { service: 'payments', origin: 'inline' });
  return faultFindings(emptyPlan('payments'), plan, NOW_MS).map(({ text }) => text);
}

describe('a fault that hits every call, with nothing that stops it', () => {
  it.each<[string, unknown, object | undefined, object, boolean]>([
    ['anywhere', undefined, undefined, {}, true],
    ['at the default', 'stable', undefined, {}, true],
    ['at one place of the default', { subset: 'stable', datacenter: 'dc2' }, undefined, {}, true],
    ['at the default beside a route for all', 'stable', { split: BOTH }, {}, true],
    ['where the route for all leads', 'canary', { to: 'canary' }, {}, true],
    ['where it leads a part', 'canary', { split: BOTH }, {}, false],
    ['in another service that takes all', { service: 'v2' }, { to: { service: 'v2' } }, {}, true],
    [
      'in another service that takes some',
      { service: 'v2' },
      { match: { from: ['a'] }, to: { service: 'v2' } },
      {},
      false,
    ],
    ['at some calls', 'stable', undefined, { match: { labels: { a: 'b' } } }, false],
    ['at some attempts', 'stable', undefined, { percent: 99 }, false],
    ['until it is stopped', 'stable', undefined, { stopAbove: { failedPercentage: 5 } }, false],
  ])('%s', (_, target, route, more, isFound) => {
    expect(found(target, route, more)).toHaveLength(isFound ? 1 : 0);
  });

  it('is told with its place', () => {
    expect(found({ subset: 'stable', datacenter: 'dc2' }, undefined)[0]).toContain(
      '100 % of attempts at stable in dc2 fail with UNAVAILABLE until',
    );
  });
});
