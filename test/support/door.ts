import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A door in front of a server: connections are accepted, and reach the server when it is open. */
export interface Door {
  readonly port: number;
  /** Connections that wait for the door to open. */
  readonly waiting: number;
  open(): void;
  /** Cuts all connections. */
  cut(): void;
  stop(): void;
}

export async function startDoor(portBehind: () => number): Promise<Door> {
  const waiting: Socket[] = [];
  const sockets = new Set<Socket>();
  let isOpen = false;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => {}).once('close', () => sockets.delete(socket));
  };
  const pass = (socket: Socket): void => {
    const onward = keep(connect(portBehind(), '127.0.0.1'));
    socket.once('close', () => onward.destroy());
    onward.once('close', () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  };
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((socket) => {
    keep(socket);
    if (isOpen) pass(socket);
    else waiting.push(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { readonly port: number }).port,
    get waiting() {
      return waiting.length;
    },
    open: () => {
      isOpen = true;
      for (const socket of waiting.splice(0)) pass(socket);
    },
    cut,
    stop: () => {
      cut();
      server.close();
    },
  };
}
