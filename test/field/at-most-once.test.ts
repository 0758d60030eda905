import { testAtMostOnce } from './at-most-once';

/** A slice of at-most-once.long.test.ts. */
testAtMostOnce({ calls: 600, kills: 6, restarts: 4, permittedKills: 3, limitMs: 120_000 });
