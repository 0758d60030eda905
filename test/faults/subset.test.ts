import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { createGraylane, definePolicy, type Graylane } from '../../src/index';
import { GRAY_WITH_FALLBACK, graySplit } from '../support/gray-policy';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../support/payments';

const policy = definePolicy({
  ...GRAY_WITH_FALLBACK,
  routes: [
    {
      name: 'everyone',
      split: graySplit(10),
    },
  ],
  breaker: { resetTimeoutMs: 500 },
  subsetBreaker: { resetTimeoutMs: 500 },
  retry: { maxAttempts: 2, retryableStatusCodes: ['UNAVAILABLE', 'INTERNAL'] },
  // By chance the canary may get several of the first few calls.
  retryBudget: { percent: 100 },
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(
  canaries: number,
): Promise<{ graylane: Graylane; canary: PaymentsServer[]; stable: PaymentsServer[] }> {
  const stable = await Promise.all([1, 2].map((n) => startPaymentsServer({ name: `s${n}`, version: 'stable' })));
  const canary = await Promise.all(
    Array.from({ length: canaries }, (_, n) => startPaymentsServer({ name: `c${n}`, version: 'canary' })),
  );
  for (const server of [...stable, ...canary]) closers.push(server.kill);
  const graylane = createGraylane({
    instances: {
      payments: [...stable, ...canary].map(({ host, port, version }) => ({ address: host, port, tags: [version] })),
    },
    policies: { payments: policy },
  });
  closers.push(() => graylane.close());
  return { graylane, canary, stable };
}

describe('a canary that fails every call', () => {
  for (const count of [1, 4]) {
    it(`of ${count} is shed to stable, charged with its failures, and comes back after its cure`, async () => {
      const { graylane, canary } = await open(count);
      const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
      await graylane.ready('payments');
      for (const server of canary) server.behave({ code: grpc.status.INTERNAL });
      let lost = 0;
      const run = async (calls: number): Promise<void> => {
        for (let call = 0; call < calls; call += 1) {
          await charge(client).catch(() => {
            lost += 1;
          });
        }
      };
      await run(600);
      expect(lost).toBe(0);
      expect(graylane.breakers.list().some(({ state }) => state !== 'closed')).toBe(true);
      const charged = graylane.breakers.list().find(({ key }) => key === 'canary@local');
      expect(charged?.lastFailure?.agoMs).toBeLessThan(10_000);
      const failures = canary.reduce((sum, server) => sum + server.calls, 0);
      expect(failures).toBeLessThan(25);
      for (const server of canary) server.behave(undefined);
      await expect
        .poll(
          async () => {
            await run(20);
            return graylane.breakers.list().every(({ state }) => state === 'closed');
          },
          { timeout: 15_000, interval: 50 },
        )
        .toBe(true);
      expect(lost).toBe(0);
      // Its share comes back gradually.
      const callsOf = (): number => canary.reduce((sum, server) => sum + server.calls, 0);
      await expect
        .poll(
          async () => {
            const before = callsOf();
            await run(200);
            return callsOf() - before;
          },
          { timeout: 20_000, interval: 50 },
        )
        .toBeGreaterThan(10);
    });
  }
});
