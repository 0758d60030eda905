import { describe, expect, it } from 'vitest';
import { FailureShares, MethodShares } from '../../../../../src/client/breaker/outlier/failure-shares';

const WINDOW_MS = 10_000;

describe('what went well lately', () => {
  it.each([
    { what: 'nothing was counted', everyMs: 0, forMs: 0, idleMs: 0, windowMs: WINDOW_MS, well: [0, 0] },
    {
      what: 'ten a second, for a minute',
      everyMs: 100,
      forMs: 60_000,
      idleMs: 0,
      windowMs: WINDOW_MS,
      well: [95, 105],
    },
    {
      what: 'ten a second, for three seconds',
      everyMs: 100,
      forMs: 3_000,
      idleMs: 0,
      windowMs: WINDOW_MS,
      well: [29, 31],
    },
    { what: 'one in five seconds', everyMs: 5_000, forMs: 600_000, idleMs: 0, windowMs: WINDOW_MS, well: [1, 3] },
    { what: 'a window of a minute', everyMs: 100, forMs: 600_000, idleMs: 0, windowMs: 60_000, well: [570, 630] },
    {
      what: 'a window of an hour',
      everyMs: 1_000,
      forMs: 7_200_000,
      idleMs: 0,
      windowMs: 3_600_000,
      well: [3_400, 3_800],
    },
    { what: 'idle for a while', everyMs: 100, forMs: 60_000, idleMs: 20_000, windowMs: WINDOW_MS, well: [0, 0] },
  ])('$what', ({ everyMs, forMs, idleMs, windowMs, well: [least, most] }) => {
    const shares = new FailureShares();
    const usual = new MethodShares();
    let nowMs = 12_345;
    for (const endMs = nowMs + forMs; nowMs < endMs; nowMs += everyMs) shares.record('good', usual, -1, nowMs);
    expect(shares.wellWithin(windowMs, nowMs + idleMs)).toBeGreaterThanOrEqual(least as number);
    expect(shares.wellWithin(windowMs, nowMs + idleMs)).toBeLessThanOrEqual(most as number);
  });

  it('includes errors that no breaker counts, and no failures', () => {
    const shares = new FailureShares();
    const usual = new MethodShares();
    for (const outcome of ['good', 'error', 'failure', 'none', 'good'] as const)
      shares.record(outcome, usual, -1, 5_000);
    expect(shares.wellWithin(WINDOW_MS, 6_000)).toBe(3);
  });
});
