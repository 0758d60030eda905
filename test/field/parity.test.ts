import { allCells, sliceOf } from './cells';
import { describeParity } from './parity';

/**
 * A slice of the cells, another for each SEED; parity.long.test.ts has all of them. One cell by its name, in either:
 *
 *     npx vitest run test/field/parity.long.test.ts --project long -t 'unary, connection closed, before headers, once'
 */
describeParity(sliceOf(allCells(), Number(process.env['SEED'] ?? 1)));
