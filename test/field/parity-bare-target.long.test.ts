import { bareTargetCells } from './cells';
import { describeParity } from './parity';

describeParity(bareTargetCells(), 1);
