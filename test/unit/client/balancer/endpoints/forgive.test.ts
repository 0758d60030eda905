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
});
