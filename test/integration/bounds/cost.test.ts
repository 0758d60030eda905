import { expect, it } from 'vitest';
import { printFact } from '../../support/figure';
import { findCostly, findCostlyTexts } from './cost';
import { INPUTS } from './inputs';

/** A slice of `cost.long.test.ts`. */
it('nothing that is read costs more than its size', () => {
  const { costly, worstUs, worstBytes } = findCostly(900, Number(process.env['SEED'] ?? 1));
  printFact('900 hostile inputs', `at most ${worstUs.toFixed(2)} us a byte, ${worstBytes} bytes told`);
  expect(costly).toEqual([]);
}, 180_000);

it('few routes that stick by labels which are hardly told apart cost no more than others', () => {
  const input = INPUTS['a policy'] ?? expect.fail('gone');
  const texts = [30, 48, 80].map((routes) => {
    const named = Array.from({ length: routes }, (_, row) => ({
      ...{ name: `r${row}`, stickBy: `${row}-label-that-is-read-by-nobody-${row}`, to: 'stable' },
    }));
    return [`${routes} routes`, JSON.stringify({ ...(input.sound as object), routes: named })];
  });
  expect(findCostlyTexts(Object.fromEntries(texts), input).costly).toEqual([]);
});
