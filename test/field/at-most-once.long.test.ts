import { testAtMostOnce } from './at-most-once';

testAtMostOnce({ calls: 10_000, kills: 100, restarts: 50, limitMs: 900_000 });
