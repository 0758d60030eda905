import { testSlips } from './slips';

/** A slice of slips.long.test.ts. */
testSlips({ policies: 6, commands: 14, registrations: 18, harmless: 6, limitMs: 120_000 });
