import { testAtMostOnce } from './at-most-once';

testAtMostOnce({ calls: 10_000, kills: 100, restarts: 50, permittedKills: 100, limitMs: 900_000 });
