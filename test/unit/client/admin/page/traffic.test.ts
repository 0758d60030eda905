import { expect, it } from 'vitest';
import { Traffic } from '../../../../../src/client/admin/page/traffic';

function attempts(
  traffic: Traffic,
  subset: string,
  count: number,
  tier = 0,
  outcome: 'success' | 'failure' = 'success',
) {
  for (let n = 0; n < count; n += 1) traffic.attemptEnded(subset, subset, outcome, 10, 'dc1', tier);
}

it('counts attempts by where they went, in all and lately', () => {
  const traffic = new Traffic();
  attempts(traffic, 'stable', 3);
  attempts(traffic, 'stable', 1, 1);
  attempts(traffic, 'canary', 2, 0, 'failure');
  expect(traffic.rows()).toEqual([
    { subset: 'stable', datacenter: 'dc1', tier: 0, attempts: 3, failed: 0, recent: 3, recentFailed: 0, recentMs: 10 },
    { subset: 'stable', datacenter: 'dc1', tier: 1, attempts: 1, failed: 0, recent: 1, recentFailed: 0, recentMs: 10 },
    { subset: 'canary', datacenter: 'dc1', tier: 0, attempts: 2, failed: 2, recent: 2, recentFailed: 2, recentMs: 10 },
  ]);
  traffic.step(1_000);
  expect(traffic.recent()).toEqual([
    { subset: 'stable', attempts: 4, failed: 0 },
    { subset: 'canary', attempts: 2, failed: 2 },
  ]);
  traffic.step(2_000);
  expect(traffic.recent()).toEqual([]);
  expect(traffic.rows()[0]).toMatchObject({ attempts: 3, recent: 0, recentMs: undefined });
});

it('keeps a history of ten minutes, also of what began late', () => {
  const traffic = new Traffic();
  for (let step = 1; step <= 130; step += 1) {
    attempts(traffic, 'stable', step);
    if (step > 128) attempts(traffic, 'canary', 1, 0, 'failure');
    traffic.step(step * 1_000);
  }
  const { times, subsets } = traffic.history();
  expect(times).toHaveLength(120);
  expect(times.at(-1)).toBe(130_000);
  expect(subsets.map(({ subset }) => subset)).toEqual(['stable', 'canary']);
  expect(subsets[0]?.attempts.slice(-2)).toEqual([129, 130]);
  expect(subsets[1]?.failed.slice(-3)).toEqual([0, 1, 1]);
  expect(subsets[1]?.attempts).toHaveLength(120);
});

it('counts all lanes as one, and no more ways than a bounded number', () => {
  const traffic = new Traffic();
  for (let n = 0; n < 1_000; n += 1) attempts(traffic, `lane ${n}`, 1);
  expect(traffic.rows()).toHaveLength(1);
  for (let n = 0; n < 1_000; n += 1) attempts(traffic, `subset-${n}`, 1);
  expect(traffic.rows()).toHaveLength(200);
});
