import { createServer } from 'node:net';

/** An address of its own for each server, so that concurrent runs do not meet. Only Linux answers on all of 127/8. */
export function loopbackAddress(): string {
  if (process.platform !== 'linux') return '127.0.0.1';
  const byte = (low: number): number => low + Math.floor(Math.random() * (250 - low));
  return `127.${byte(16)}.${byte(1)}.${byte(2)}`;
}

/** Below those that systems give to connections, and to servers that name none: nobody gets one of them by chance. */
const FIRST = 12_000;
const LAST = 32_000;

/** `count` different ports that are free at `host` now; `0.0.0.0`: at every address of this machine. */
export async function freePorts(host: string, count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (await isFree(host, port)) ports.add(port);
  }
  return [...ports];
}

function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    );
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
