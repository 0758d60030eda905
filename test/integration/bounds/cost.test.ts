import { expect, it } from 'vitest';
import { printFact } from '../../support/figure';
import { findCostly } from './cost';

/** A slice of `cost.long.test.ts`. */
it('nothing that is read costs more than its size', () => {
  const { costly, worstUs, worstBytes } = findCostly(900, Number(process.env['SEED'] ?? 1));
  printFact('900 hostile inputs', `at most ${worstUs.toFixed(2)} us a byte, ${worstBytes} bytes told`);
  expect(costly).toEqual([]);
}, 180_000);
