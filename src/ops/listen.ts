import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A port that is listened at. */
export interface Listening {
  /** The port that it got. */
  readonly port: number;
  /** Ends it and every connection. Idempotent. */
  close(): Promise<void>;
}

/** `port` 0: any free one. Rejects with the system's error when the address cannot be used. */
export async function listenAt(server: Server, host: string, port: number): Promise<Listening> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const end = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port: (server.address() as AddressInfo).port, close: end };
}
