import { allCells } from './cells';
import { describeParity } from './parity';

describeParity(allCells());
