import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createGraylane, type Graylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { graySplit } from '../../support/gray-policy';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';

const closing = closeAfterEach();
let consul: ConsulCluster;

beforeAll(async () => {
  consul = await startConsul();
});
afterAll(() => consul.stop());

const policyWith = (canary: object): object => ({
  schema: 1,
  service: 'payments',
  subsets: {
    stable: { meta: { version: 'v1' } },
    canary: { meta: { version: 'v2' }, fallback: 'stable', ...canary },
  },
  default: 'stable',
  routes: [
    {
      name: 'everyone',
      split: graySplit(50),
    },
  ],
  retry: 'off',
});

async function serve(version: string): Promise<PaymentsServer> {
  const server = closing(await startPaymentsServer({ name: version, version }), (each) => each.kill());
  const { host: address, port } = server;
  await consul.dc('dc1').register({ name: 'payments', id: version, address, port, meta: { version } });
  return server;
}

function open(): { readonly graylane: Graylane; readonly client: PaymentsClient } {
  const graylane = closing(
    createGraylane({
      consul: { address: consul.dc('dc1').address },
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    }),
    (each) => each.close(),
  );
  return { graylane, client: paymentsClient(graylane.target('payments'), graylane.clientOptions()) };
}

const guardOf = (graylane: Graylane) => graylane.inspect().services[0]?.guards[0];

/** Every third call to the canary fails, until its guard sheds it. */
async function failUntilShed(graylane: Graylane, client: PaymentsClient, canary: PaymentsServer): Promise<void> {
  for (let call = 0; call < 2_000 && guardOf(graylane)?.heldForMs === undefined; call += 1) {
    canary.behave(canary.calls % 3 === 2 ? { code: grpc.status.INTERNAL } : undefined);
    await charge(client).catch(() => {});
  }
  canary.behave(undefined);
  expect(guardOf(graylane)?.because).toMatch(/^guard: \d+ of \d+ failed/);
}

async function served(client: PaymentsClient, calls = 20): Promise<ReadonlySet<string>> {
  const replies = await Promise.all(Array.from({ length: calls }, () => charge(client)));
  return new Set(replies.map(({ version }) => version));
}

it('is had from Consul, taken away there, and begins anew with the next version', async () => {
  const put = (policy: object) => consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(policy));
  await put(policyWith({ guard: { holdMs: 600_000 } }));
  await serve('v1');
  const v2 = await serve('v2');
  await serve('v3');
  const { graylane, client } = open();
  const other = open();
  await Promise.all([graylane.ready('payments'), other.graylane.ready('payments')]);
  await failUntilShed(graylane, client, v2);
  expect([await served(client), await served(other.client)]).toEqual([new Set(['v1']), new Set(['v1', 'v2'])]);

  // Not a valid policy: nothing changes.
  await put(policyWith({ guard: { against: 'stabel' } }));
  await expect
    .poll(() => graylane.inspect().services[0]?.policy.rejected?.problems[0]?.message, { timeout: 10_000 })
    .toBe('subsets.canary.guard.against: "stabel" (expected: one of stable, canary; did you mean stable?)');
  expect(await served(client)).toEqual(new Set(['v1']));

  // Another version of the canary is not who failed.
  await put(policyWith({ guard: { holdMs: 600_000 }, meta: { version: 'v3' } }));
  await expect.poll(() => served(client), { timeout: 10_000 }).toEqual(new Set(['v1', 'v3']));

  await put(policyWith({ guard: { holdMs: 600_000 } }));
  await expect.poll(() => served(client), { timeout: 10_000 }).toEqual(new Set(['v1', 'v2']));
  await failUntilShed(graylane, client, v2);
  await put(policyWith({}));
  await expect.poll(() => served(client), { timeout: 10_000 }).toEqual(new Set(['v1', 'v2']));
  expect(graylane.inspect().services[0]?.guards).toEqual([]);
});
