import { describe, expect, it } from 'vitest';
import { countToRemove, RETENTION } from '../../../../src/ops/store/history';

const sizes = (count: number, bytes: number): number[] => Array.from({ length: count }, () => bytes);

describe('how much history stays', () => {
  it.each([
    ['a hundred small ones stay', sizes(100, 1000), 0],
    ['of 101 the oldest goes', sizes(101, 1000), 1],
    ['large ones stay up to 1 MiB', sizes(60, 20_000), 60 - Math.floor(RETENTION.maxBytes / 20_000)],
    ['ten stay whatever their size', sizes(12, 400_000), 2],
    ['no more go at once than a transaction holds', sizes(300, 1000), RETENTION.maxRemovedAtOnce],
    ['none of none', [], 0],
  ])('%s', (_, all, expected) => {
    expect(countToRemove(all)).toBe(expected);
  });
});
