import { describe, expect, it } from 'vitest';
import { EndpointLoad } from '../../../../../src/client/balancer/endpoints/load';
import { steadyAttempt } from '../connections';

describe('what an endpoint is blamed for', () => {
  it('moves its average and not its usual latency, and is over when it is forgiven', () => {
    const load = new EndpointLoad();
    const answered = steadyAttempt();
    load.sweep(0);
    load.attemptStarted(answered, 0);
    load.attemptResponded(answered);
    load.attemptEnded(answered, 1, 'success');
    for (const startMs of [200, 500]) {
      const failed = steadyAttempt();
      load.sweep(startMs);
      load.attemptStarted(failed, startMs);
      load.sweep(startMs + 100);
      load.attemptEnded(failed, startMs + 150, 'failure');
    }
    expect(load.usualMs).toBe(1);
    expect(load.slowness).toBe(10);
    load.forgive(700);
    expect(load.slowness).toBe(1);
    expect(load.usualMs).toBe(1);
  });

  it('is forgiven also where its first answer came late, and begins anew', () => {
    const load = new EndpointLoad();
    const call = (startMs: number, tookMs: number, outcome: 'success' | 'failure'): void => {
      const attempt = steadyAttempt();
      load.sweep(startMs);
      load.attemptStarted(attempt, startMs);
      load.sweep(startMs + tookMs);
      load.attemptEnded(attempt, startMs + tookMs, outcome);
    };
    call(0, 200, 'success');
    for (const startMs of [400, 600, 800]) call(startMs, 1, 'success');
    for (const startMs of [1_000, 1_200, 1_400]) call(startMs, 80, 'failure');
    expect(load.slowness).toBe(80);
    load.forgive(1_600);
    expect(load.slowness).toBe(1);
    call(1_800, 80, 'failure');
    expect(load.slowness).toBe(1);
  });
});
