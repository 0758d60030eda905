import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';

/** Stands before an agent and keeps what was asked. */
export interface RecordingProxy {
  /** `http://host:port` */
  readonly address: string;
  /** Path and query of every request, oldest first. */
  readonly paths: readonly string[];
  /** Those of them that were no GET, with their method: `PUT /v1/txn`. */
  readonly writes: readonly string[];
  /** Requests that have not been answered yet, by path and query. */
  openPaths(): readonly string[];
  /** Connections from clients that are open now. */
  connections(): Promise<number>;
  stop(): Promise<void>;
}

export async function startRecordingProxy(target: string): Promise<RecordingProxy> {
  const paths: string[] = [];
  const writes: string[] = [];
  const open = new Set<IncomingMessage>();
  const server = createServer((incoming, outgoing) => {
    paths.push(incoming.url ?? '');
    if (incoming.method !== 'GET') writes.push(`${incoming.method} ${incoming.url}`);
    open.add(incoming);
    const onward = httpRequest(
      target + (incoming.url ?? ''),
      { method: incoming.method ?? 'GET', headers: incoming.headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => {
      open.delete(incoming);
      onward.destroy();
    });
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('not a TCP port');
  return {
    address: `http://127.0.0.1:${bound.port}`,
    paths,
    writes,
    openPaths: () => [...open].map((one) => one.url ?? ''),
    connections: () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count))),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
