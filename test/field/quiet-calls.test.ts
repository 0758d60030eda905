import { testQuietCalls } from './quiet-calls';

/**
 * Stricter than any server, so that 22 s show what quiet-calls.long.test.ts needs 40 s for: one ping is tolerated while
 * nothing is sent, the one that finds out whether a silent connection still answers.
 */
testQuietCalls(22_000, { strikes: 1, isFirstPingFree: false });
