import { bareTargetCells, sliceOf } from './cells';
import { describeParity } from './parity';

describeParity(sliceOf(bareTargetCells(), Number(process.env['SEED'] ?? 1)), 1);
