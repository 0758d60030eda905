import { testAtMostOnce } from './at-most-once';

/** A slice of at-most-once.long.test.ts. */
testAtMostOnce({ calls: 1_000, kills: 10, restarts: 6, permittedKills: 5, limitMs: 120_000 });
