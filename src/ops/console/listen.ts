import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ConsoleHandler } from './console-handler';

/** A port that serves the console. */
export interface ConsoleListener {
  /** The port that it got. */
  readonly port: number;
  /** Ends it and every connection. Idempotent. */
  close(): Promise<void>;
}

/** Time limit of a whole request; a slower sender is cut off. */
const REQUEST_LIMIT_MS = 10_000;
const CHECK_EVERY_MS = 1_000;
const MAX_CONNECTIONS = 256;
const MAX_HEADERS = 50;
const MAX_HEADER_BYTES = 16_384;

/** `port` 0: any free one. Rejects with the system's error when the address cannot be used. */
export async function listenForPeople(host: string, port: number, handler: ConsoleHandler): Promise<ConsoleListener> {
  const server = createServer(
    {
      headersTimeout: REQUEST_LIMIT_MS,
      requestTimeout: REQUEST_LIMIT_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    handler,
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.maxHeadersCount = MAX_HEADERS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
