import { testQuietCalls } from './quiet-calls';

/**
 * Stricter than any server, so that 22 s show what quiet-calls.long.test.ts needs 40 s for: no ping is tolerated unless
 * something was sent since the one before.
 */
testQuietCalls(22_000, { strikes: 0, isFirstPingFree: false });
