import { reaction } from './reaction';

/** With more of them, and the 99th percentile, in reaction.long.test.ts. */
reaction({ policyChanges: 40, flips: 15, part: 0.9 });
