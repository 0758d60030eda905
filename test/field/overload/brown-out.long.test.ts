import { BY_EXHAUSTED, BY_PUSHBACK, describeBrownOut } from './brown-out';

describeBrownOut([BY_EXHAUSTED, BY_PUSHBACK]);
