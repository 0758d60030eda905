import { describe, expect, it } from 'vitest';
import { AttemptLink } from '../../../../../src/client/balancer/attempts/attempt-link';
import { EndpointLoad } from '../../../../../src/client/balancer/endpoints/load';

describe('what an endpoint is blamed for', () => {
  it('moves its average and not its usual latency, and is over when it is forgiven', () => {
    const load = new EndpointLoad();
    const answered = new AttemptLink();
    load.sweep(0);
    load.attemptStarted(answered, 0);
    load.attemptResponded(answered);
    load.attemptEnded(answered, 2, 'success');
    const failed = new AttemptLink();
    load.sweep(100);
    load.attemptStarted(failed, 100);
    load.sweep(200);
    load.attemptEnded(failed, 250, 'failure');
    expect(load.usualMs).toBe(2);
    expect(load.slowness).toBe(20);
    load.forgive(300);
    expect(load.slowness).toBe(2);
    expect(load.usualMs).toBe(2);
  });
});
