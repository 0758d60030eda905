import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createGraylane, type PolicyDocument } from '../../src/index';
import { pause } from '../support/closers';
import { printFact } from '../support/figure';
import { type PaymentsServer, paymentsClient, startPaymentsServer } from '../support/payments';
import { lostOf, plainClient, startCalls } from './fixtures/steady-calls';

const CODES = ['UNAVAILABLE', 'INTERNAL'] as const;

const policy: PolicyDocument = {
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [
    {
      name: 'everyone',
      split: [
        { to: 'stable', weight: 90 },
        { to: 'canary', weight: 10 },
      ],
    },
  ],
  // No probe comes back within the time that is looked at.
  breaker: { resetTimeoutMs: 3_000 },
  subsetBreaker: { resetTimeoutMs: 3_000 },
  retry: { maxAttempts: 2, retryableStatusCodes: [...CODES] },
};

function sum(servers: readonly PaymentsServer[]): number {
  return servers.reduce((calls, server) => calls + server.calls, 0);
}

describe.concurrent('a canary at 10 % that fails every call', () => {
  for (const datacenters of [['dc1'], ['dc1', 'dc2']]) {
    for (const count of [1, 4]) {
      const name = `${count} in each of ${datacenters.length} datacenter(s)`;
      it(`${name}: shed, charged, and back after its cure`, { timeout: 55_000 }, async () => {
        const start = (version: string, each: number): Promise<PaymentsServer[]> =>
          Promise.all(
            datacenters.flatMap((datacenter) =>
              Array.from({ length: each }, (_, n) =>
                startPaymentsServer({ name: `${version}-${datacenter}-${n}`, version, datacenter }),
              ),
            ),
          );
        const [stable, canary] = await Promise.all([start('stable', 2), start('canary', count)]);
        const servers = [...stable, ...canary];
        const lane = createGraylane({
          datacenters,
          instances: {
            payments: servers.map(({ host, port, version, datacenter }) => ({
              address: host,
              port,
              datacenter,
              tags: [version],
            })),
          },
          policies: { payments: policy },
        });
        const rival = plainClient(
          servers.map(({ port }) => port),
          CODES,
        );
        try {
          const client = paymentsClient(lane.target('payments'), lane.clientOptions());
          await lane.ready('payments');
          const ours = startCalls(client);
          await pause(500);
          for (const server of canary) server.behave({ code: grpc.status.INTERNAL });
          const before = sum(canary);
          await pause(2_000);
          const after2s = sum(canary) - before;
          const charged = lane.breakers.list().filter(({ key }) => key.startsWith('canary@'));
          expect(charged.some(({ lastFailure }) => lastFailure !== undefined)).toBe(true);
          await pause(300);
          expect(sum(canary) - before).toBeLessThanOrEqual(Math.max(after2s, 10));
          const meanwhile = ours.last(250);
          expect(meanwhile.length).toBeGreaterThan(10);
          expect(meanwhile.every(({ reply }) => reply.version === 'stable')).toBe(true);
          expect(lane.breakers.list().filter(({ key }) => key.includes('stable@'))).not.toContainEqual(
            expect.objectContaining({ state: 'open' }),
          );

          for (const server of canary) server.behave(undefined);
          const curedAtMs = performance.now();
          const canaryShare = (): number => {
            const last = ours.last(2_000);
            return last.filter(({ reply }) => reply.version === 'canary').length / last.length;
          };
          await expect.poll(canaryShare, { timeout: 35_000, interval: 200 }).toBeGreaterThan(0.05);
          const backAfterMs = performance.now() - curedAtMs;
          await ours.stop();

          for (const server of canary) server.behave({ code: grpc.status.INTERNAL });
          const plain = startCalls(rival);
          await pause(2_000);
          await plain.stop();
          printFact(
            `failing canary at 10 %, ${name}`,
            `${lostOf(ours)}, ${after2s} canary attempts until shed, half its share back ${(backAfterMs / 1_000).toFixed(1)} s after its cure; round_robin with the same retries: ${lostOf(plain)}`,
          );
          expect(ours.losses.map(({ error }) => error.details)).toEqual([]);
        } finally {
          rival.close();
          await lane.close();
          for (const server of servers) server.kill();
        }
      });
    }
  }
});
