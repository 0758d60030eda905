import { createServer } from 'node:net';

/** An address of its own for each agent, so that concurrent runs do not meet. Only Linux answers on all of 127/8. */
export function loopbackAddress(): string {
  if (process.platform !== 'linux') return '127.0.0.1';
  const byte = (low: number): number => low + Math.floor(Math.random() * (250 - low));
  return `127.${byte(16)}.${byte(1)}.${byte(2)}`;
}

/** `count` different ports that are free at `host` now. */
export async function freePorts(host: string, count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, host, resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('not a TCP port');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
