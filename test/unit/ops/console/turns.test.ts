import { expect, it } from 'vitest';
import { createTurns } from '../../../../src/ops/console/turns';

it('runs so many at once, lets so many wait, turns the rest away, and goes on after failures', async () => {
  const turns = createTurns(2, 3);
  const ends: (() => void)[] = [];
  const began: number[] = [];
  const work = (number: number) => (): Promise<number> => {
    began.push(number);
    return new Promise((resolve, reject) => {
      ends.push(() => (number % 2 === 0 ? reject(new Error(`${number}`)) : resolve(number)));
    });
  };
  const taken = [1, 2, 3, 4, 5, 6].map((number) => turns.take(work(number)));
  expect(taken.map((each) => each === undefined)).toEqual([false, false, false, false, false, true]);
  expect(began).toEqual([1, 2]);
  const outcomes = Promise.allSettled(taken.slice(0, 5));
  while (began.length < 5 || ends.length > 0) {
    ends.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
    expect(ends.length).toBeLessThanOrEqual(2);
  }
  expect(began).toEqual([1, 2, 3, 4, 5]);
  expect((await outcomes).map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'rejected',
    'fulfilled',
  ]);
  expect(turns.take(async () => 7)).toBeInstanceOf(Promise);
});

it('lets nobody who comes later in before those who wait', async () => {
  const turns = createTurns(1, 2);
  const order: number[] = [];
  let end = (): void => {};
  const first = turns.take(() => new Promise<void>((resolve) => (end = resolve)));
  const second = turns.take(async () => void order.push(2));
  end();
  await first;
  const third = turns.take(async () => void order.push(3));
  await Promise.all([second, third]);
  expect(order).toEqual([2, 3]);
});
