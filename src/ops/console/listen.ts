import { createServer } from 'node:http';
import { type Listening, listenAt } from '../listen';
import type { ConsoleHandler } from './console-handler';

/** Time limit of a whole request; a slower sender is cut off. */
const REQUEST_LIMIT_MS = 10_000;
const CHECK_EVERY_MS = 1_000;
const MAX_CONNECTIONS = 256;
const MAX_HEADERS = 50;
const MAX_HEADER_BYTES = 16_384;

/** `port` 0: any free one. Rejects with the system's error when the address cannot be used. */
export async function listenForPeople(host: string, port: number, handler: ConsoleHandler): Promise<Listening> {
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
  return listenAt(server, host, port);
}
