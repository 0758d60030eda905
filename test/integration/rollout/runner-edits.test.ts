import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canaryWeight,
  withCanaryAsStable,
  withoutRoutes,
  withTesters,
  withWeight,
} from '../../../src/ops/rollout/policy-change';
import { compilePolicy } from '../../../src/policy/compile';
import type { PolicyDocument } from '../../../src/policy/document';
import { graySplit } from '../../support/gray-policy';
import { splitPolicy } from './rollout-world';

const between = { canary: 'canary', stable: 'stable' };
const moved = (document: PolicyDocument, weight: number): PolicyDocument => {
  const edited = withWeight(document, between, weight);
  if ('refusal' in edited) throw new Error(edited.refusal);
  return edited.document;
};
/** Where a sticky caller goes. */
const subsetOf = (document: PolicyDocument, caller: string): string | undefined => {
  const split = compilePolicy({ content: document, format: 'object' }, { service: 'payments', origin: 'inline' })
    .routes[0]?.split;
  return split?.entries[split.entryOfValue(caller)]?.subset;
};

describe('the edits of a rollout', () => {
  it('raise the canary monotonously: who has it at a lower weight has it at a higher one', () => {
    const weights = fc.tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 100 }));
    fc.assert(
      fc.property(weights, fc.array(fc.uuid(), { minLength: 20, maxLength: 20 }), ([a, b], callers) => {
        const [low, high] = [a, b]
          .map((weight) => moved(splitPolicy('payments', 0), weight))
          .sort((one, other) => canaryWeight(one, between) - canaryWeight(other, between));
        if (low === undefined || high === undefined) return;
        for (const caller of callers) {
          if (subsetOf(low, caller) === 'canary') expect(subsetOf(high, caller)).toBe('canary');
        }
      }),
      { numRuns: 50 },
    );
  });

  it('share what canary and stable have, and leave every other subset its own', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.1, max: 1000, noNaN: true }),
        fc.integer({ min: 0, max: 100 }),
        (other, weight) => {
          const split = [
            { to: 'stable', weight: 3 },
            { to: 'other', weight: other },
            { to: 'canary', weight: 1 },
          ];
          const document = splitPolicy('payments', 0, { routes: [{ name: 'everyone', split }] });
          const edited = moved(document, weight);
          const [stable, kept, canary] = edited.routes?.[0]?.split ?? [];
          expect(kept).toEqual({ to: 'other', weight: other });
          expect((stable?.weight ?? 0) + (canary?.weight ?? 0)).toBeCloseTo(4, 6);
          expect(canaryWeight(edited, between)).toBeCloseTo(weight, 6);
        },
      ),
    );
  });

  it('move the last route that splits between both, or the one that is named, or make one', () => {
    const both = [
      { to: 'stable', weight: 1 },
      { to: 'canary', weight: 1 },
    ];
    const routes = [
      { name: 'vip', match: { labels: { x: 'y' } }, split: both },
      { name: 'everyone', split: both },
    ];
    const document = splitPolicy('payments', 0, { routes });
    expect(moved(document, 10).routes?.map(({ split }) => split?.[1]?.weight)).toEqual([1, 0.2]);
    const vip = withWeight(document, { ...between, route: 'vip' }, 10);
    expect('document' in vip && vip.document.routes?.map(({ split }) => split?.[1]?.weight)).toEqual([0.2, 1]);
    const own = moved(splitPolicy('payments', 0, { routes: [] }), 5);
    expect(own.routes).toEqual([
      {
        name: 'rollout',
        split: graySplit(5),
      },
    ]);
    expect(moved(own, 25).routes).toHaveLength(1);
  });

  it.each([
    [
      { routes: [{ name: 'all', to: 'stable' }] },
      {},
      /^route all: matches every call and does not split between stable and canary/,
    ],
    [{}, { route: 'nobody' }, /^route nobody: missing \(expected: a route of the policy\)$/],
    [{}, { canary: 'canray' }, /^subsets\.canray: missing \(expected: a subset of the policy\)$/],
    [
      { routes: [{ name: 'all', to: 'stable' }] },
      { route: 'all' },
      /^route all: does not split between stable and canary/,
    ],
  ])('refuse %j with %j', (change, of, refusal) => {
    const edited = withWeight(splitPolicy('payments', 0, change), { ...between, ...of }, 5);
    expect(edited).toEqual({ refusal: expect.stringMatching(refusal) });
  });

  it('put testers first, once, and take them away again', () => {
    const document = splitPolicy('payments', 5);
    const testers = { name: 'testers', match: { labels: { 'x-gray': 'canary' } } };
    const once = withTesters(document, between, testers);
    if ('refusal' in once) throw new Error(once.refusal);
    expect(once.document.routes?.[0]).toEqual({ ...testers, to: 'canary', strict: true });
    expect(withTesters(once.document, between, testers)).toEqual(once);
    expect(withoutRoutes(once.document, ['testers'])).toEqual(document);
  });

  it('make stable what the canary is without moving a call, its own tuning kept', () => {
    const subsets = {
      stable: { tags: ['v1'], notTags: ['v2'], port: 'old', breaker: { consecutiveFailures: 9 } },
      canary: {
        meta: { version: 'v2' },
        notTags: ['v1'],
        lanes: 'include' as const,
        fallback: 'stable',
        breaker: { consecutiveFailures: 2 },
      },
    };
    const promoted = withCanaryAsStable(splitPolicy('payments', 100, { subsets }), between);
    if ('refusal' in promoted) throw new Error(promoted.refusal);
    expect(promoted.document.subsets).toEqual({
      stable: { meta: { version: 'v2' }, notTags: ['v1'], lanes: 'include', breaker: { consecutiveFailures: 9 } },
      canary: subsets.canary,
    });
    expect(canaryWeight(promoted.document, between)).toBe(0);
  });
});
