import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A NAT, or a firewall that keeps state, on loopback: it passes TCP connections on to `port` until it forgets them. */
export interface Nat {
  readonly instance: { readonly address: string; readonly port: number };
  /** Connections that were ever opened through it. */
  readonly opened: number;
  /** What is connected now goes silent for ever: no data, no end, no reset in either direction. New connections pass. */
  forget(): void;
  /** New connections are accepted and get no answer either. */
  block(): void;
  pass(): void;
  close(): void;
}

export async function startNat(port: number): Promise<Nat> {
  const sockets = new Set<Socket>();
  const passing = new Set<{ isForgotten: boolean }>();
  let opened = 0;
  let isBlocked = false;
  const server = createServer({ allowHalfOpen: true }, (inside) => {
    opened += 1;
    const outside = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const pair = { isForgotten: isBlocked };
    passing.add(pair);
    for (const [from, to] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      sockets.add(from);
      from.setNoDelay();
      from.on('data', (data) => pair.isForgotten || to.write(data));
      from.on('end', () => pair.isForgotten || to.end());
      from.on('error', () => pair.isForgotten || to.destroy());
      from.on('close', () => sockets.delete(from));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    instance: { address: '127.0.0.1', port: (server.address() as AddressInfo).port },
    get opened() {
      return opened;
    },
    forget: () => {
      for (const pair of passing) pair.isForgotten = true;
      passing.clear();
    },
    block: () => {
      isBlocked = true;
    },
    pass: () => {
      isBlocked = false;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
