import { afterEach, describe, expect, it } from 'vitest';
import { paymentsClient } from '../../../benchmarks/peers/payments';
import { startTraffic, type Traffic } from '../../../benchmarks/react/traffic';
import { startPaymentsServer } from '../../support/payments';

let traffic: Traffic | undefined;
afterEach(() => traffic?.stop());

describe('calls at a steady rate', () => {
  it('tell the first call that fits, the last one to each instance, and what failed', async () => {
    const server = await startPaymentsServer({ name: 'first' });
    const client = paymentsClient(`127.0.0.1:${server.port}`);
    traffic = startTraffic({ client, everyMs: 2 });
    const askedAtMs = performance.now();
    const first = await traffic.next(({ servedBy }) => servedBy === 'first');
    expect(first.startedAtMs).toBeGreaterThanOrEqual(askedAtMs);
    expect(first.endedAtMs).toBeGreaterThan(first.startedAtMs);
    expect(traffic.lastStartedAtMs('first')).toBeGreaterThanOrEqual(first.startedAtMs);
    expect(traffic.lastStartedAtMs('second')).toBe(Number.NEGATIVE_INFINITY);
    expect(traffic.takeFailures()).toEqual([]);
    await expect(traffic.next(({ servedBy }) => servedBy === 'second', 50)).rejects.toThrow(
      'no such call within 50 ms',
    );

    server.kill();
    await traffic.next(({ servedBy }) => servedBy === undefined);
    const failed = traffic.takeFailures();
    expect(failed.length).toBeGreaterThan(0);
    const lastServedMs = traffic.lastStartedAtMs('first');
    await traffic.next(({ servedBy }) => servedBy === undefined);
    expect(traffic.lastStartedAtMs('first')).toBe(lastServedMs);
    client.close();
  });
});
