import { describe, expect, it } from 'vitest';
import { findMovedCallers } from '../../../../src/ops/compare/moved-callers';
import { CROWD_SIZE, crowdUnder, movedUsers, userLabelOf, userName } from '../../../../src/ops/simulation/crowd';
import { simulatePolicy } from '../../../../src/ops/simulation/simulate';
import { compilePolicy } from '../../../../src/policy/compile';
import type { PolicyDocument, RouteDocument } from '../../../../src/policy/document';
import type { Plan } from '../../../../src/policy/plan';

const CALL = { method: '/shop.v1.Payments/Charge', labels: { 'x-tier': 'vip' } };

function documentOf(...routes: readonly RouteDocument[]): PolicyDocument {
  const subsets = { stable: { tags: ['stable'] }, canary: { tags: ['canary'] }, next: { tags: ['next'] } };
  return { schema: 1, service: 'payments', subsets, default: 'stable', routes };
}

function planOf(...routes: readonly RouteDocument[]): Plan {
  const content = documentOf(...routes);
  return compilePolicy({ content, format: 'object' }, { service: 'payments', origin: 'inline' });
}

function split(canary: number, more: { readonly stickBy?: string; readonly stickySalt?: string } = {}): RouteDocument {
  const shares = { stable: 100 - canary, canary };
  const entries = Object.entries(shares).map(([to, weight]) => ({ to, weight }));
  return { name: 'everyone', split: entries, stickBy: 'x-user-id', ...more };
}

describe('crowdUnder()', () => {
  it.each([
    ['a sticky split', split(5), split(25)],
    ['a split that shrinks', split(60), split(12.5)],
    ['a split under another salt', split(20), split(20, { stickySalt: 'other' })],
    ['a split that goes by another label', split(20), split(20, { stickBy: 'x-session' })],
    ['a split that all go one way of', split(20), { name: 'everyone', to: 'canary' }],
  ])('moves as many users as compare counts: %s', (_, from, to) => {
    const [before, after] = [planOf(from), planOf(to)];
    const call = { ...CALL, userLabel: userLabelOf(before) };
    const moved = movedUsers(crowdUnder(before, call), crowdUnder(after, call));
    const [compared] = findMovedCallers(before, after);
    expect(moved.length).toBeGreaterThan(0);
    expect(moved.length).toBe(Math.round((compared?.moved ?? 0) * CROWD_SIZE));
  });

  it('moves users only into the subset that grows', () => {
    const [before, after] = [crowdUnder(planOf(split(5)), CALL), crowdUnder(planOf(split(25)), CALL)];
    const moves = movedUsers(before, after).map((index) => [before.at[index], after.at[index]].join());
    expect(new Set(moves)).toEqual(new Set(['0,1']));
    expect(after.counts[1]).toBe((before.counts[1] ?? 0) + moves.length);
  });

  it.each([
    ['sticky', [split(30)]],
    ['by chance', [{ name: 'rest', split: split(30).split ?? [] }]],
    [
      'a sample before a split',
      [{ name: 'few', match: { sample: { by: 'x-user-id', percent: 10 } }, to: 'next' }, split(30)],
    ],
    [
      'a label that all of them carry',
      [{ name: 'vip', match: { labels: { 'x-tier': 'vip' } }, to: 'canary' }, split(30)],
    ],
  ] as const)('counts as a simulation of the same calls does: %s', (_, routes) => {
    const crowd = crowdUnder(planOf(...routes), { ...CALL, userLabel: 'x-user-id' });
    const from = Array.from({ length: CROWD_SIZE }, (_, index) => ({
      method: CALL.method,
      labels: { ...CALL.labels, 'x-user-id': userName(index) },
    }));
    const { subsets } = simulatePolicy(documentOf(...routes), { from });
    expect(crowd.counts).toEqual(subsets.map(({ calls }) => calls));
    expect(crowd.destinations).toEqual(subsets.map(({ subset }) => subset));
  });
});
