import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createGraylane, type GraylaneOptions } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { startHoldingProxy } from '../../support/consul/holding-proxy';
import { type ConsulDatacenter, startConsul } from '../../support/consul/start';
import { printFact } from '../../support/figure';
import { GRAY } from '../../support/gray-policy';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
  tally,
} from '../../support/payments';
import { isLong } from '../../support/slice';

const CALLS = isLong ? 10_000 : 2_000;
const KEY = 'graylane/policies/payments';
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const closing = closeAfterEach();

/** The only route is for testers; everybody else goes to the default. */
const policy = JSON.stringify({
  ...GRAY,
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true }],
});

interface World {
  readonly dc1: ConsulDatacenter;
  readonly stable: PaymentsServer;
  readonly canary: PaymentsServer;
  /** A client of a Graylane client of its own. */
  client(options?: GraylaneOptions): PaymentsClient;
}

async function startWorld(acl = false): Promise<World> {
  const consul = closing(await startConsul(acl ? { acl, mode: 'server' } : {}), (opened) => opened.stop());
  const dc1 = consul.dc('dc1');
  const [stable, canary] = await Promise.all(
    ['stable', 'canary'].map(async (version) => {
      const server = closing(await startPaymentsServer({ name: version, version }), (opened) => opened.kill());
      const { host, port } = server;
      await dc1.register({ name: 'payments', id: version, address: host, port, tags: [version] });
      return server;
    }),
  );
  await dc1.putKv(KEY, policy);
  return {
    dc1,
    stable: stable as PaymentsServer,
    canary: canary as PaymentsServer,
    client: (options) => {
      const consulOptions = { address: dc1.address, ...(dc1.token === undefined ? {} : { token: dc1.token }) };
      const graylane = createGraylane({ consul: consulOptions, datacenters: ['dc1'], logger: silent, ...options });
      closing(graylane, (opened) => opened.close());
      return paymentsClient(graylane.target('payments'), graylane.clientOptions());
    },
  };
}

function others(client: PaymentsClient): Promise<Map<string, number>> {
  return tally(
    CALLS,
    (reply) => reply.version,
    () => charge(client, { 'x-gray': 'no' }),
  );
}

describe('calls that are not for testers, under a policy whose only route is for testers', { timeout: 60_000 }, () => {
  it('never reach the canary, nor when the policy is deleted while they run', async () => {
    const { dc1, stable, canary, client } = await startWorld();
    const opened = client();
    expect((await charge(opened, { 'x-gray': 'canary' })).version).toBe('canary');
    expect(Object.fromEntries(await others(opened))).toEqual({ stable: CALLS });
    expect(canary.calls).toBe(1);
    printFact('on the canary of calls that are not for testers', `${canary.calls - 1} of ${CALLS}`);

    const deleted = others(opened);
    await dc1.deleteKv(KEY);
    expect(Object.fromEntries(await deleted)).toEqual({ stable: CALLS });
    expect(Object.fromEntries(await others(opened))).toEqual({ stable: CALLS });
    expect(canary.calls).toBe(1);
    expect(stable.calls).toBe(3 * CALLS);
    // The last plan is in force whole: testers still have their canary.
    expect((await charge(opened, { 'x-gray': 'canary' })).version).toBe('canary');
    printFact('the same after the policy was deleted', `${canary.calls - 2} of ${2 * CALLS}`);
  });

  it('wait while the policy is not read yet, and then go by it', async () => {
    const { dc1, stable, canary, client } = await startWorld();
    const proxy = closing(await startHoldingProxy(dc1.address, (path) => path.startsWith('/v1/kv/')), (opened) =>
      opened.stop(),
    );
    const opened = client({ consul: { address: proxy.address } });
    const calls = Array.from({ length: CALLS }, () => charge(opened, {}, { deadline: Date.now() + 30_000 }));
    await expect.poll(() => proxy.held, { timeout: 10_000 }).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(stable.calls + canary.calls).toBe(0);
    proxy.release();
    const replies = await Promise.all(calls);
    expect(replies.filter((reply) => reply.version !== 'stable')).toEqual([]);
    expect(canary.calls).toBe(0);
    printFact('the same begun before the policy was read', `${canary.calls} of ${CALLS}`);
  });

  it('end at their deadline with the reason while the policy is forbidden', async () => {
    const { dc1, stable, canary, client } = await startWorld(true);
    const { secret } = await dc1.createToken(
      'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }',
    );
    const opened = client({ consul: { address: dc1.address, token: secret } });
    const deadline = Date.now() + 2_500;
    const outcomes = await Promise.all(
      Array.from({ length: CALLS }, () =>
        charge(opened, {}, { deadline }).then(
          (reply) => reply.version,
          (error: grpc.ServiceError) => error,
        ),
      ),
    );
    const failures = outcomes.filter((outcome) => typeof outcome !== 'string');
    expect(failures).toHaveLength(CALLS);
    expect(new Set(failures.map((failure) => failure.code))).toEqual(new Set([grpc.status.DEADLINE_EXCEEDED]));
    expect(failures[CALLS - 1]?.details).toMatch(/payments: policy not known \(.*403/);
    expect(failures[CALLS - 1]?.details).not.toContain(secret);
    expect(stable.calls + canary.calls).toBe(0);
    printFact('the same while the policy is forbidden', `${canary.calls} of ${CALLS}; ${failures[0]?.details}`);
  });
});
