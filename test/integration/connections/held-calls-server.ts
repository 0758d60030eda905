import type { Http2Server, ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import * as grpc from '@grpc/grpc-js';

/** A service with one method of each kind. Its calls stay open and silent until the test says `finish`. */
const bytes = { serialize: (value: Buffer): Buffer => value, deserialize: (value: Buffer): Buffer => value };
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Held/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes.serialize,
  requestDeserialize: bytes.deserialize,
  responseSerialize: bytes.serialize,
  responseDeserialize: bytes.deserialize,
});
const definition = {
  unary: method('Unary', false, false),
  upload: method('Upload', true, false),
  watch: method('Watch', false, true),
  talk: method('Talk', true, true),
};

export const KINDS = ['unary', 'upload', 'watch', 'talk'] as const;
export type Kind = (typeof KINDS)[number];

interface Stream {
  on(event: 'status', listener: (status: grpc.StatusObject) => void): unknown;
  on(event: string, listener: (value: never) => void): unknown;
  write?(message: Buffer): unknown;
  end?(): unknown;
  cancel(): void;
}
type Starter = (...args: readonly unknown[]) => Stream;
export type HeldClient = grpc.Client & Readonly<Record<Kind, Starter>>;

const HeldService = grpc.makeGenericClientConstructor(definition, 'test.Held');

export function heldClient(
  target: string,
  options: grpc.ClientOptions = {},
  credentials = grpc.credentials.createInsecure(),
): HeldClient {
  return new HeldService(target, credentials, options) as unknown as HeldClient;
}

export interface HeldCall {
  readonly kind: Kind;
  readonly ended: Promise<grpc.StatusObject>;
  readonly status: grpc.StatusObject | undefined;
}

/** A call that the client has nothing more to say to. */
export function holdCall(client: HeldClient, kind: Kind, metadata = new grpc.Metadata()): HeldCall {
  const message = Buffer.from('x');
  const ignore = (): void => {};
  const call = {
    unary: () => client.unary(message, metadata, ignore),
    upload: () => client.upload(metadata, ignore),
    watch: () => client.watch(message, metadata),
    talk: () => client.talk(metadata),
  }[kind]();
  call.on('error', ignore);
  call.on('data', ignore);
  if (kind === 'upload' || kind === 'talk') call.write?.(message);
  let status: grpc.StatusObject | undefined;
  const ended = new Promise<grpc.StatusObject>((resolve) =>
    call.on('status', (given) => {
      status = given;
      resolve(given);
    }),
  );
  return {
    kind,
    ended,
    get status() {
      return status;
    },
  };
}

export interface HeldServer {
  readonly instance: { readonly address: string; readonly port: number };
  /** Calls open now. */
  readonly open: number;
  /** Ends every open call well. */
  finish(): void;
  /** Graceful: GOAWAY, and the calls go on. */
  drain(): void;
  kill(): void;
  /** Breaks its connections. */
  drop(): void;
  /** Tells each connection how many streams it may have from now on. */
  allow(streams: number): void;
}

export async function startHeldServer(options: grpc.ServerOptions = {}): Promise<HeldServer> {
  const server = new grpc.Server(options);
  const open = new Set<() => void>();
  const hold = (call: grpc.ServerWritableStream<unknown, unknown>, end: () => void): void => {
    open.add(end);
    call.on('cancelled', () => open.delete(end));
  };
  const answer = (call: unknown, callback: grpc.sendUnaryData<Buffer>): void =>
    hold(call as grpc.ServerWritableStream<unknown, unknown>, () => callback(null, Buffer.from('done')));
  const stream = (call: grpc.ServerWritableStream<unknown, unknown>): void => {
    (call as unknown as NodeJS.ReadableStream).on?.('data', () => {});
    hold(call, () => call.end());
  };
  server.addService(
    definition as unknown as grpc.ServiceDefinition,
    {
      unary: answer,
      upload: (call: NodeJS.ReadableStream, callback: grpc.sendUnaryData<Buffer>) => {
        call.on('data', () => {});
        answer(call, callback);
      },
      watch: stream,
      talk: stream,
    } as unknown as grpc.UntypedServiceImplementation,
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  // grpc-js has no public hook for connections: its HTTP/2 servers do.
  const sessions = new Set<ServerHttp2Session>();
  const { http2Servers } = server as unknown as { readonly http2Servers: ReadonlyMap<Http2Server, unknown> };
  const sockets = new Set<Socket>();
  for (const http2Server of http2Servers.keys()) {
    http2Server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    http2Server.on('session', (session) => {
      sessions.add(session);
      session.on('close', () => sessions.delete(session));
    });
  }
  return {
    instance: { address: '127.0.0.1', port },
    get open() {
      return open.size;
    },
    finish: () => {
      for (const end of open) end();
      open.clear();
    },
    drain: () => server.tryShutdown(() => {}),
    kill: () => server.forceShutdown(),
    drop: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    allow: (streams) => {
      for (const session of sessions) session.settings({ maxConcurrentStreams: streams });
    },
  };
}
