import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AdminHandler, createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import type { Closing } from '../../support/closers';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { GRAY_WITH_FALLBACK, graySplit } from '../../support/gray-policy';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';

/** Where a page of a service is. */
export function serviceUrl(base: string, graylane: Graylane, tab?: string, service = 'payments'): string {
  const query = tab === undefined ? '' : `?tab=${tab}`;
  return `${base}/#/services/${encodeURIComponent(graylane.target(service))}${query}`;
}

export const POLICY: PolicyDocument = {
  ...GRAY_WITH_FALLBACK,
  routes: [
    { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
    { name: 'everyone', split: graySplit(25), stickBy: 'x-user-id' },
  ],
  retry: { maxAttempts: 3 },
};

/** A handler on a free port of loopback. */
export async function serve(closing: Closing, handler: AdminHandler): Promise<string> {
  const server = closing(createServer(handler), (each) => {
    each.closeAllConnections();
    each.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export interface PageWorld {
  readonly consul: ConsulCluster;
  /** `stable-1`, `stable-2`, `canary-1`, `canary-2`. */
  readonly servers: ReadonlyMap<string, PaymentsServer>;
  readonly graylane: Graylane;
  readonly client: PaymentsClient;
  /** Of the admin handler. */
  readonly base: string;
  /** So many calls of as many users. */
  call(count: number): Promise<void>;
}

/** Real servers in a real Consul, a client that calls them, and its admin handler. */
export async function startWorld(closing: Closing): Promise<PageWorld> {
  const consul = closing(await startConsul(), (each) => each.stop());
  const servers = new Map<string, PaymentsServer>();
  for (const name of ['stable-1', 'stable-2', 'canary-1', 'canary-2']) {
    const version = name.slice(0, -2);
    const server = closing(await startPaymentsServer({ name, version }), (each) => each.kill());
    servers.set(name, server);
    const { host, port } = server;
    await consul.dc('dc1').register({ name: 'payments', id: name, address: host, port, tags: [version] });
  }
  await consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(POLICY));
  const graylane = closing(createGraylane({ name: 'orders', consul: { address: consul.dc('dc1').address } }), (each) =>
    each.close(),
  );
  const base = await serve(closing, graylane.adminHandler());
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments', { timeoutMs: 20_000 });
  let users = 0;
  const call = async (count: number): Promise<void> => {
    for (let left = count; left > 0; left -= 20) {
      const batch = Array.from({ length: Math.min(20, left) }, () => {
        users += 1;
        return charge(client, { 'x-user-id': `u-${users}` });
      });
      await Promise.allSettled(batch);
    }
  };
  return { consul, servers, graylane, client, base, call };
}
