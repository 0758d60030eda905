import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Graylane } from 'graylane';

/** The page of this process, on a free port of loopback. */
export interface DemoPage {
  readonly url: string;
  close(): void;
}

export async function servePage(graylane: Graylane): Promise<DemoPage> {
  const server = createServer(graylane.adminHandler());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
