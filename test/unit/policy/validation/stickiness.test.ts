import { describe, expect, it } from 'vitest';
import { validatePolicy } from '../../../../src/policy/validate';

const split = [
  { to: 'stable', weight: 1 },
  { to: 'canary', weight: 1 },
];

function warningsOf(...routes: readonly object[]): readonly string[] {
  const subsets = { stable: { tags: ['s'] }, canary: { tags: ['c'] } };
  const named = routes.map((route, index) => ({ name: `r${index}`, split, ...route }));
  const { problems, warnings } = validatePolicy(
    { schema: 1, service: 'payments', subsets, default: 'stable', routes: named },
    { service: 'payments' },
  );
  expect(problems).toEqual([]);
  return warnings.map(({ message }) => message);
}

describe('warnings about stickBy', () => {
  it.each([
    ['a label that only stickBy reads', [{ stickBy: 'x-user-id' }]],
    ['the same label elsewhere', [{ match: { sample: { by: 'X-User-Id', percent: 5 } } }, { stickBy: 'x-user-id' }]],
    ['a route that takes only some', [{ match: { labels: { 'x-user-id': 'u-1' } } }, { stickBy: 'x-user-id' }]],
    [
      'a route that takes them of one method',
      [{ match: { methods: ['/a.B/'], labels: { 'x-user-id': { present: true } } } }, { stickBy: 'x-user-id' }],
    ],
  ])('none for %s', (_, routes) => {
    expect(warningsOf(...routes)).toEqual([]);
  });

  it.each([
    [
      'one that the match asks to be absent',
      [{ match: { labels: { 'X-User-Id': { present: false } } }, stickBy: 'x-user-id' }],
      'routes[0].stickBy: "x-user-id" (expected: a label that calls of this route bear; its match asks that it be absent)',
    ],
    [
      'one whose bearers an earlier route takes',
      [{ match: { labels: { 'x-user-id': { present: true } } } }, { stickBy: 'x-user-id' }],
      'routes[1].stickBy: "x-user-id" (expected: a label that calls of this route bear; the route r0 takes all that do)',
    ],
    [
      'a slip of the pen',
      [{ match: { any: [{ labels: { 'x-user-id': 'u-1' } }] } }, { stickBy: 'x-userid' }],
      'routes[1].stickBy: "x-userid" (expected: a label that calls of this route bear; ' +
        'no other part of the policy reads it, did you mean x-user-id?)',
    ],
  ])('%s', (_, routes, warning) => {
    expect(warningsOf(...routes)).toEqual([warning]);
  });
});
