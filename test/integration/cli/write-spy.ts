import { createServer, request as httpRequest } from 'node:http';

/** Stands before an agent, passes everything on, and tells when a transaction that writes is on its way. */
export interface WriteSpy {
  /** `http://host:port` */
  readonly address: string;
  /** Called when the whole request has arrived here. The request is passed on once the promise has resolved. */
  onWrite: () => void | Promise<void>;
  /** Called when the agent has answered. The answer is passed on once the promise has resolved. */
  onWritten: () => void | Promise<void>;
  stop(): Promise<void>;
}

export async function startWriteSpy(target: string): Promise<WriteSpy> {
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', async () => {
      const body = Buffer.concat(chunks);
      const isWrite = body.includes('"Verb":"cas"');
      if (isWrite) await spy.onWrite();
      const { method, headers, url } = incoming;
      const onward = httpRequest(target + (url ?? ''), { method: method ?? 'GET', headers }, async (answer) => {
        if (isWrite) await spy.onWritten();
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on('error', () => outgoing.destroy());
      onward.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('not a TCP port');
  const spy: WriteSpy = {
    address: `http://127.0.0.1:${bound.port}`,
    onWrite: () => {},
    onWritten: () => {},
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return spy;
}
