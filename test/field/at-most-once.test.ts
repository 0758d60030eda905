import { testAtMostOnce } from './at-most-once';

/** A slice of at-most-once.long.test.ts. */
testAtMostOnce({ calls: 400, kills: 4, restarts: 3, permittedKills: 3, limitMs: 120_000 });
