import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { Graylane, PolicyDocument } from '../../src/index';
import { createTestClient } from '../../src/testing';
import { closeAfterEach } from '../support/closers';
import { printFact } from '../support/figure';
import { GRAY_WITH_FALLBACK, graySplit } from '../support/gray-policy';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../support/payments';
import { sliceOf } from '../support/slice';

const opened = closeAfterEach();

const CODES = ['UNAVAILABLE', 'INTERNAL'] as const;

const policyAt = (percent: number): PolicyDocument => ({
  ...GRAY_WITH_FALLBACK,
  routes: [
    {
      name: 'everyone',
      split: graySplit(percent),
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
/** In the client's time, which moves on by this much with each call: 100 calls a second. */
const CALL_EVERY_MS = 10;
const SHED_AFTER_CALLS = 10;

const cellOf = (percent: number, datacenters: number, count: number): string => `${percent} ${datacenters} ${count}`;
const cells = [5, 10].flatMap((percent) =>
  [1, 2].flatMap((datacenters) => [1, 4].map((count) => cellOf(percent, datacenters, count))),
);
const drawn = sliceOf(cells, 4);

for (const percent of [5, 10]) {
  describe(`a canary at ${percent} % that fails every call`, () => {
    for (const datacenters of [['dc1'], ['dc1', 'dc2']]) {
      for (const count of [1, 4]) {
        if (!drawn.includes(cellOf(percent, datacenters.length, count))) continue;
        const name = `${count} in each of ${datacenters.length} datacenter(s)`;
        it(`${name}: shed, charged, and back after its cure`, async () => {
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
          for (const server of servers) opened(server, (each) => each.kill());
          const graylane = createTestClient({
            datacenters,
            instances: servers.map(({ host, port, version, datacenter }) => ({
              address: host,
              port,
              datacenter,
              tags: [version],
            })),
            policy: policyAt(percent),
          });
          opened(graylane, () => graylane.close());
          const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
          await graylane.ready('payments');
          const lost: unknown[] = [];
          let made = 0;
          /** One call after another; gives the versions that answered. */
          const run = async (times: number, until: () => boolean = () => false): Promise<string[]> => {
            const versions: string[] = [];
            for (let time = 0; time < times && !until(); time += 1) {
              made += 1;
              await charge(client).then(
                ({ version }) => versions.push(version),
                (error: unknown) => lost.push(error),
              );
              await graylane.advance(CALL_EVERY_MS);
            }
            return versions;
          };
          await run(3_000, () => sum(canary) >= GOOD_BEFORE);

          for (const server of canary) server.behave({ code: grpc.status.INTERNAL });
          const before = sum(canary);
          await run(2_000, () => isShed(graylane));
          const untilShed = sum(canary) - before;
          expect(isShed(graylane)).toBe(true);
          expect(untilShed).toBeLessThanOrEqual(SHED_AFTER_CALLS);
          const charged = graylane.breakers.list().filter(({ key }) => key.startsWith('canary@'));
          expect(charged.some(({ lastFailure }) => lastFailure !== undefined)).toBe(true);
          // Less than what is left until the first probe.
          const meanwhile = await run(100);
          expect(sum(canary) - before).toBe(untilShed);
          expect(meanwhile).toEqual(new Array<string>(100).fill('stable'));
          expect(graylane.breakers.list().filter(({ key }) => key.includes('stable@'))).not.toContainEqual(
            expect.objectContaining({ state: 'open' }),
          );

          for (const server of canary) server.behave(undefined);
          const window = 2_000 / percent;
          const last: string[] = [];
          const canaryShare = (): number => last.filter((version) => version === 'canary').length / window;
          let backAfterMs = 0;
          for (; canaryShare() <= percent / 200 && backAfterMs < 35_000; backAfterMs += CALL_EVERY_MS) {
            last.push(...(await run(1)));
            if (last.length > window) last.shift();
          }
          expect(canaryShare()).toBeGreaterThan(percent / 200);
          printFact(
            `failing canary at ${percent} %, ${name}`,
            `lost ${lost.length} of ${made}, ${untilShed} canary calls until shed, half its share back ${(backAfterMs / 1_000).toFixed(1)} s after its cure`,
          );
          expect(lost).toEqual([]);
        });
      }
    }
  });
}
