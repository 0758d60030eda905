import { expect, it } from 'vitest';
import { describeLanes, describeMirrors } from '../../../../src/cli/inspect/describe-actions';

it('lanes are named with their instances, the first twenty one by one', () => {
  const lane = (name: string, more: object = {}) => ({
    ...{ lane: name, instances: 2, usable: 2, ends: undefined, isEnded: false },
    ...more,
  });
  const lanes = [lane('pr-1'), lane('pr-2', { instances: 1, usable: 0 }), lane('pr-3', { isEnded: true })];
  expect(describeLanes(lanes)).toEqual(['lanes: pr-1 (2 instances), pr-2 (1 instance, 0 usable), pr-3 (ended)']);
  expect(describeLanes([])).toEqual([]);
  const many = Array.from({ length: 25 }, (_, at) => lane(`pr-${at}`));
  expect(describeLanes(many)[0]).toMatch(/pr-19 \(2 instances\), 5 more$/);
});

it('mirrors are told with what became of their copies', () => {
  const mirror = { route: 'all', to: 'canary in dc2', copies: 7, failed: 1, meanMs: 3 };
  const none = { busy: 0, size: 0, unfinished: 0, closed: 0 };
  expect(
    describeMirrors([
      { ...mirror, dropped: none, comparison: undefined },
      {
        ...mirror,
        dropped: { ...none, busy: 2, closed: 1 },
        comparison: {
          ...{ compared: 6, equal: 4, unflagged: 1, differing: 1, uncompared: 0, noiseCompared: 0, fields: [] },
        },
      },
    ]),
  ).toEqual([
    'mirror of all to canary in dc2: 7 copies, 1 failed',
    'mirror of all to canary in dc2: 7 copies, 1 failed, 3 dropped (busy 2, closed 1); 6 compared, 1 differing',
  ]);
});
