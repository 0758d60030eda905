import { expect, it } from 'vitest';
import { defined } from '../../../src/base/defined';

it('leaves out what is undefined, and nothing else', () => {
  expect(Object.entries(defined({ a: 1, b: undefined, c: null, d: '', e: false }))).toEqual([
    ['a', 1],
    ['c', null],
    ['d', ''],
    ['e', false],
  ]);
});
