import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { type PaymentsServer, startPaymentsServer } from '../../support/payments';
import { pages } from './fences';
import { blocksOf, openReader, type Reader } from './run-page';

/** Run by a project that has the package installed (test/integration/packaging), and by first-call.test.ts. */
const ELSEWHERE = ['docs/testing.md', 'docs/first-call.md'];
/** Run with the tests that take minutes. */
export const SLOW: readonly string[] = ['docs/simulate.md'];

export const runPages: readonly string[] = pages.filter((page) => !ELSEWHERE.includes(page));

/** Whether a page has something that runs, beside documents. */
export function hasCode(page: string): boolean {
  return blocksOf(page).some(({ language, notRun }) => ['ts', 'js', 'sh'].includes(language) && notRun === undefined);
}

/** Real servers of `payments`, registered in three datacenters of a real Consul, and who reads pages there. */
export interface PageGround {
  readonly reader: Reader;
  /** As before the first page. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

const INSTANCES = [
  ['dc1', 'stable', 'v1'],
  ['dc1', 'canary', 'v2'],
  ['dc2', 'stable', 'v1'],
] as const;

export async function openPageGround(): Promise<PageGround> {
  const consul: ConsulCluster = await startConsul({ datacenters: ['dc1', 'dc2', 'dc3'] });
  const servers: PaymentsServer[] = [];
  for (const [datacenter, tag, version] of INSTANCES) {
    const name = `${tag}-${datacenter}`;
    const server = await startPaymentsServer({ name, version: tag, datacenter });
    servers.push(server);
    const place = { address: server.host, port: server.port };
    await consul.dc(datacenter).register({ name: 'payments', id: name, ...place, tags: [tag], meta: { version } });
  }
  const home = consul.dc('dc1');
  const reader = openReader(home.address);
  return {
    reader,
    reset: async () => {
      await (await home.request('DELETE', '/v1/kv/graylane/?recurse')).arrayBuffer();
    },
    close: async () => {
      await reader.close();
      for (const server of servers) server.kill();
      await consul.stop();
    },
  };
}
