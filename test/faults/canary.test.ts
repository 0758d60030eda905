import * as grpc from '@grpc/grpc-js';
import { describe, it } from 'vitest';
import { createGraylane, type Graylane, type PolicyDocument } from '../../src/index';
import { pause } from '../support/closers';
import { printFact } from '../support/figure';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../support/payments';
import { lostOf, plainClient, startCalls } from './fixtures/steady-calls';

const CODES = ['UNAVAILABLE', 'INTERNAL'] as const;

const policyAt = (percent: number): PolicyDocument => ({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [
    {
      name: 'everyone',
      split: [
        { to: 'stable', weight: 100 - percent },
        { to: 'canary', weight: percent },
      ],
    },
  ],
  // No probe comes back within the time that is looked at.
  breaker: { resetTimeoutMs: 3_000 },
  subsetBreaker: { resetTimeoutMs: 3_000 },
  retry: { maxAttempts: 2, retryableStatusCodes: [...CODES] },
});

/** No call of the canary's goes there any more, whether for its endpoints or as a whole. */
function isShed(graylane: Graylane): boolean {
  const views = graylane.breakers.list();
  const open = (key: string): boolean => views.some((view) => view.key === key && view.state !== 'closed');
  const endpoints = graylane.inspect().services[0]?.endpoints.filter(({ subsets }) => subsets.includes('canary')) ?? [];
  return endpoints.every(
    ({ datacenter, endpoint }) => open(`canary@${datacenter}`) || open(`${datacenter}/${endpoint}`),
  );
}

function sum(servers: readonly PaymentsServer[]): number {
  return servers.reduce((calls, server) => calls + server.calls, 0);
}

/** Calls that the canary has answered well when it begins to fail: several seconds of its share. */
const GOOD_BEFORE = 30;
const SHED_AFTER_MS = 2_000;
const SHED_AFTER_CALLS = 10;

for (const percent of [5, 10]) {
  describe.concurrent(`a canary at ${percent} % that fails every call`, () => {
    for (const datacenters of [['dc1'], ['dc1', 'dc2']]) {
      for (const count of [1, 4]) {
        const name = `${count} in each of ${datacenters.length} datacenter(s)`;
        it(`${name}: shed, charged, and back after its cure`, { timeout: 55_000 }, async ({ expect }) => {
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
          const graylane = createGraylane({
            datacenters,
            instances: {
              payments: servers.map(({ host, port, version, datacenter }) => ({
                address: host,
                port,
                datacenter,
                tags: [version],
              })),
            },
            policies: { payments: policyAt(percent) },
          });
          const rival = plainClient(
            servers.map(({ port }) => port),
            CODES,
          );
          try {
            const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
            await graylane.ready('payments');
            while (sum(canary) < GOOD_BEFORE) await Promise.all(Array.from({ length: 20 }, () => charge(client)));
            const ours = startCalls(client);
            await pause(500);
            for (const server of canary) server.behave({ code: grpc.status.INTERNAL });
            const before = sum(canary);
            const illAtMs = performance.now();
            const failed = (): number => sum(canary) - before;
            const isLate = (): boolean => performance.now() - illAtMs >= SHED_AFTER_MS;
            while (!isLate() || (failed() < SHED_AFTER_CALLS && !isShed(graylane))) await pause(5);
            const untilShed = failed();
            const charged = graylane.breakers.list().filter(({ key }) => key.startsWith('canary@'));
            expect(charged.some(({ lastFailure }) => lastFailure !== undefined)).toBe(true);
            await pause(400);
            expect(failed() - untilShed).toBeLessThanOrEqual(1);
            const sinceMs = performance.now();
            const sinceThen = () => ours.answers.filter(({ startedAtMs }) => startedAtMs >= sinceMs);
            await expect.poll(() => sinceThen().length, { interval: 20 }).toBeGreaterThan(10);
            const meanwhile = sinceThen();
            expect(meanwhile.every(({ reply }) => reply.version === 'stable')).toBe(true);
            expect(graylane.breakers.list().filter(({ key }) => key.includes('stable@'))).not.toContainEqual(
              expect.objectContaining({ state: 'open' }),
            );

            for (const server of canary) server.behave(undefined);
            const curedAtMs = performance.now();
            const canaryShare = (): number => {
              const last = ours.last(20_000 / percent);
              return last.filter(({ reply }) => reply.version === 'canary').length / last.length;
            };
            await expect.poll(canaryShare, { timeout: 35_000, interval: 200 }).toBeGreaterThan(percent / 200);
            const backAfterMs = performance.now() - curedAtMs;
            await ours.stop();

            for (const server of canary) server.behave({ code: grpc.status.INTERNAL });
            const plain = startCalls(rival);
            await pause(2_000);
            await plain.stop();
            printFact(
              `failing canary at ${percent} %, ${name}`,
              `${lostOf(ours)}, ${untilShed} canary calls until shed, half its share back ${(backAfterMs / 1_000).toFixed(1)} s after its cure; round_robin with the same retries: ${lostOf(plain)}`,
            );
            expect(ours.losses.map(({ error }) => error.details)).toEqual([]);
          } finally {
            rival.close();
            await graylane.close();
            for (const server of servers) server.kill();
          }
        });
      }
    }
  });
}
