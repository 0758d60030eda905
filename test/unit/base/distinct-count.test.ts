import { describe, expect, it } from 'vitest';
import { DistinctCount, rankOf, registerOf } from '../../../src/base/distinct-count';

function countOf(values: Iterable<string>, seed = 7): DistinctCount {
  const count = new DistinctCount();
  for (const value of values) count.add(registerOf(value, seed), rankOf(value, seed));
  return count;
}

function* users(from: number, to: number): Iterable<string> {
  for (let at = from; at < to; at += 1) yield `user-${at}`;
}

describe('a count of different values', () => {
  it.each([0, 1, 10, 100, 1_000, 10_000, 100_000, 400_000])('of %i is right within three in a hundred', (size) => {
    const errors = [1, 2, 3].map((seed) => Math.abs(countOf(users(0, size), seed).estimate() - size));
    for (const error of errors) expect(error).toBeLessThanOrEqual(Math.max(0.5, size * 0.03));
  });

  it('counts each once, however often it comes', () => {
    expect(countOf([...users(0, 500), ...users(0, 500)]).registers).toEqual(countOf(users(0, 500)).registers);
  });

  it('merges into that of both', () => {
    const [one, other] = [countOf(users(0, 6_000)), countOf(users(4_000, 9_000))];
    for (const [register, rank] of other.registers.entries()) one.add(register, rank);
    expect(one.registers).toEqual(countOf(users(0, 9_000)).registers);
  });

  it('is another one under another seed', () => {
    expect(countOf(users(0, 100), 1).registers).not.toEqual(countOf(users(0, 100), 2).registers);
  });
});
