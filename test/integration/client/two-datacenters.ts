import type { PolicyDocument, StaticInstance } from '../../../src/index';
import { GRAY_WITH_FALLBACK } from '../../support/gray-policy';
import { type PaymentsServer, startPaymentsServer } from '../../support/payments';

/** Four real servers, stable and canary in two datacenters, named `stable-dc1` and so on. */
export interface TwoDatacenters {
  readonly servers: readonly PaymentsServer[];
  readonly instances: readonly StaticInstance[];
  server(name: string): PaymentsServer;
  kill(): void;
}

export async function startTwoDatacenters(): Promise<TwoDatacenters> {
  const servers = await Promise.all(
    ['dc1', 'dc2'].flatMap((datacenter) =>
      ['stable', 'canary'].map((version) =>
        startPaymentsServer({ name: `${version}-${datacenter}`, version, datacenter }),
      ),
    ),
  );
  return {
    servers,
    instances: servers.map(({ name, version, datacenter, host, port }) => ({
      id: name,
      address: host,
      port,
      datacenter,
      tags: [version],
    })),
    server: (name) => {
      const found = servers.find((each) => each.name === name);
      if (found === undefined) throw new Error(`no server ${name}`);
      return found;
    },
    kill: () => {
      for (const server of servers) server.kill();
    },
  };
}

/** Testers go to the canary, which stable may stand in for; everybody else to stable. */
export const policy: PolicyDocument = {
  ...GRAY_WITH_FALLBACK,
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
};
