import { once } from 'node:events';
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

/** What a server does with a call: a gRPC status, an answer after a while, an HTTP status, or nothing at all. */
export type Answer =
  | { readonly code: number }
  | { readonly message: Buffer; readonly afterMs?: number }
  | { readonly http: number }
  | 'silence'
  | 'reset';

export const SERVING: Answer = { message: Buffer.from([8, 1]) };
export const NOT_SERVING: Answer = { message: Buffer.from([8, 2]) };
export const WELL: Answer = { message: Buffer.from('well') };

export interface RawServer {
  readonly port: number;
  /** Headers of each health check and of each other call, oldest first. */
  readonly checks: IncomingHttpHeaders[];
  readonly calls: IncomingHttpHeaders[];
  /** When each of the other calls came, in monotonic milliseconds. */
  readonly cameAtMs: number[];
  /** Health checks that are out now. */
  readonly openChecks: number;
  health: Answer;
  answer: Answer;
  dropConnections(): void;
  stop(): Promise<void>;
}

/** A gRPC server on bare HTTP/2, which does what grpc-js' own cannot be asked for. Answers each call when its request ended. */
export async function startRawServer(health: Answer = { code: 12 }): Promise<RawServer> {
  const server: Http2Server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  const checks: IncomingHttpHeaders[] = [];
  const calls: IncomingHttpHeaders[] = [];
  const cameAtMs: number[] = [];
  let openChecks = 0;
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('error', () => undefined);
  });
  server.on('stream', (stream, headers) => {
    const isCheck = headers[':path'] === '/grpc.health.v1.Health/Check';
    (isCheck ? checks : calls).push(headers);
    if (!isCheck) cameAtMs.push(performance.now());
    if (isCheck) {
      openChecks += 1;
      stream.once('close', () => {
        openChecks -= 1;
      });
    }
    stream.on('error', () => undefined);
    stream.resume();
    stream.once('end', () => respond(stream, isCheck ? raw.health : raw.answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const dropConnections = (): void => {
    for (const session of [...sessions]) session.destroy();
  };
  const raw: RawServer = {
    port: (server.address() as AddressInfo).port,
    checks,
    calls,
    cameAtMs,
    health,
    answer: WELL,
    get openChecks() {
      return openChecks;
    },
    dropConnections,
    stop: async () => {
      dropConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return raw;
}

function respond(stream: ServerHttp2Stream, answer: Answer): void {
  if (answer === 'silence' || stream.destroyed) return;
  if (answer === 'reset') stream.close(8);
  else if ('http' in answer) stream.respond({ ':status': answer.http }, { endStream: true });
  else if ('code' in answer) stream.respond({ ...GRPC, 'grpc-status': String(answer.code) }, { endStream: true });
  else setTimeout(() => respondWith(stream, answer.message), answer.afterMs ?? 0);
}

const GRPC = { ':status': 200, 'content-type': 'application/grpc' } as const;

function respondWith(stream: ServerHttp2Stream, message: Buffer): void {
  if (stream.destroyed) return;
  stream.respond(GRPC, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([prefix, message]));
}
