import http2 from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';

/** What a gRPC server of another language does that one of grpc-js cannot be asked for, on Node's own HTTP/2. */
export interface Http2Peer {
  readonly instance: { readonly address: string; readonly port: number };
  /** Connections that were ever accepted. */
  readonly connections: number;
  /** Keepalive pings that came, and connections that were ended for them. */
  readonly pings: number;
  readonly calmed: number;
  /** Calls under way. */
  readonly open: number;
  behave(session: ((session: http2.ServerHttp2Session) => void) | undefined): void;
  /** Ends every open call well. */
  finish(): void;
  close(): void;
}

export interface Http2PeerOptions {
  /** The least time between pings, in milliseconds. Servers of grpc-go, grpc-java and C-core: 300,000. */
  readonly leastPingMs?: number;
  /** Calls stay open and silent until `finish`; else they are answered at once. */
  readonly isHolding?: boolean;
  /** Instead of an answer, each call's stream is reset with this HTTP/2 code. */
  readonly resetWith?: number;
  /** What is done with each new connection. */
  readonly session?: (session: http2.ServerHttp2Session) => void;
  readonly tls?: { readonly key: string | Buffer; readonly cert: string | Buffer };
  /** For each new socket, before HTTP/2. */
  readonly socket?: (socket: Socket) => void;
}

/** So many pings too soon are forgiven; the next one ends the connection. */
const STRIKES = 2;

export async function startHttp2Peer(options: Http2PeerOptions = {}): Promise<Http2Peer> {
  const { leastPingMs = 300_000, isHolding = false, resetWith, tls } = options;
  const server = tls === undefined ? http2.createServer() : http2.createSecureServer({ ...tls });
  const sessions = new Set<http2.ServerHttp2Session>();
  const open = new Set<http2.ServerHttp2Stream>();
  let onSession = options.session;
  let connections = 0;
  let pings = 0;
  let calmed = 0;
  const sentSince = new WeakMap<object, () => void>();
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    connections += 1;
    options.socket?.(socket);
  });
  server.on('sessionError', () => {});
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
    let strikes = 0;
    let lastMs = Number.NEGATIVE_INFINITY;
    sentSince.set(session, () => {
      strikes = 0;
      lastMs = Number.NEGATIVE_INFINITY;
    });
    session.on('ping', () => {
      pings += 1;
      const now = performance.now();
      if (now - lastMs < leastPingMs) strikes += 1;
      lastMs = now;
      if (strikes <= STRIKES) return;
      calmed += 1;
      session.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, 0x7fffffff, Buffer.from('too_many_pings'));
      setTimeout(() => session.destroy(), 20);
    });
    onSession?.(session);
  });
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    if (resetWith !== undefined) {
      stream.close(resetWith);
      return;
    }
    stream.resume();
    open.add(stream);
    stream.on('close', () => open.delete(stream));
    if (!isHolding) stream.on('end', () => answer(stream));
  });
  const answer = (stream: http2.ServerHttp2Stream): void => {
    if (stream.session !== undefined) sentSince.get(stream.session)?.();
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.alloc(5));
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    instance: { address: '127.0.0.1', port: (server.address() as AddressInfo).port },
    get connections() {
      return connections;
    },
    get pings() {
      return pings;
    },
    get calmed() {
      return calmed;
    },
    get open() {
      return open.size;
    },
    behave: (session) => {
      onSession = session;
    },
    finish: () => {
      for (const stream of open) answer(stream);
      open.clear();
    },
    close: () => {
      server.close();
      for (const session of sessions) session.destroy();
    },
  };
}
