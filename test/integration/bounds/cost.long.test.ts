import { expect, it } from 'vitest';
import { printFact } from '../../support/figure';
import { findCostly } from './cost';

const INPUTS = Number(process.env['INPUTS'] ?? 1_000_000);

/** An hour and more; `INPUTS` says how many. */
it('nothing that is read costs more than its size', () => {
  const { costly, worstUs, worstBytes } = findCostly(INPUTS, Number(process.env['SEED'] ?? 1));
  printFact(`${INPUTS} hostile inputs`, `at most ${worstUs.toFixed(2)} us a byte, ${worstBytes} bytes told`);
  expect(costly).toEqual([]);
}, 14_400_000);
