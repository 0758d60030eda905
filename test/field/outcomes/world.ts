import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';

/** What a server does with a call whose request has ended. */
export type Script = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

const GRPC = { ':status': 200, 'content-type': 'application/grpc' } as const;

export const well: Script = (stream) => answer(stream, Buffer.from('well'));
export const silent: Script = () => undefined;
export const headersOnly: Script = (stream) => stream.respond(GRPC);
export const status =
  (code: number, message = ''): Script =>
  (stream) =>
    stream.respond({ ...GRPC, 'grpc-status': String(code), 'grpc-message': message }, { endStream: true });

export function answer(stream: ServerHttp2Stream, message: Buffer): void {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  stream.respond(GRPC, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.concat([prefix, message]));
}

/** A gRPC server on bare HTTP/2; it has no health service. */
interface Server {
  readonly port: number;
  /** Calls so far. */
  calls: number;
  script: Script;
}

interface Ended {
  readonly code: number;
  readonly details: string;
}

export interface CallOptions {
  readonly kind?: 'unary' | 'upload' | 'watch' | 'converse';
  readonly method?: string;
  readonly deadlineMs?: number;
  /** The caller cancels it then. */
  readonly cancelMs?: number;
  readonly request?: Buffer;
  readonly metadata?: grpc.Metadata;
  readonly parse?: (bytes: Buffer) => Buffer;
}

export interface World {
  readonly graylane: Graylane;
  readonly servers: readonly Server[];
  /** Breakers that opened, and why. */
  readonly opened: string[];
  call(options?: CallOptions): Promise<Ended>;
  /** So many calls, one after another. */
  calls(count: number, options?: CallOptions): Promise<Ended[]>;
}

export interface WorldOptions {
  readonly servers?: number;
  readonly policy?: Partial<PolicyDocument>;
  readonly tags?: readonly string[];
  readonly clientOptions?: grpc.ClientOptions;
}

/** Real servers, and a real client that has made some calls, so that what is usual is known. */
export function worlds(): (options?: WorldOptions) => Promise<World> {
  const closing = closeAfterEach();
  const start = async (): Promise<Server> => {
    const server = closing(createServer(), (one) => one.close());
    const sessions = new Set<ServerHttp2Session>();
    server.on('session', (session) => {
      sessions.add(closing(session, (one) => one.destroy()));
      session.on('error', () => undefined);
    });
    server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      if (String(headers[':path']).startsWith('/grpc.health.v1.')) {
        status(12)(stream, headers);
        return;
      }
      it.calls += 1;
      stream.resume();
      stream.once('end', () => stream.destroyed || it.script(stream, headers));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const it: Server = { port: (server.address() as AddressInfo).port, calls: 0, script: well };
    return it;
  };
  return async ({ servers: count = 3, policy = {}, tags = [], clientOptions = {} } = {}) => {
    const servers = await Promise.all(Array.from({ length: count }, start));
    const instances = servers.map(({ port }, index) => ({
      id: `i${index}`,
      address: '127.0.0.1',
      port,
      tags: tags[index] === undefined ? [] : [tags[index]],
    }));
    const document = { schema: 1, service: 'payments', ...policy } as PolicyDocument;
    const graylane = closing(
      createGraylane({ instances: { payments: instances }, policies: { payments: document } }),
      (one) => one.close(),
    );
    const client = closing(
      new grpc.Client(
        graylane.target('payments'),
        grpc.credentials.createInsecure(),
        graylane.clientOptions(clientOptions),
      ),
      (one) => one.close(),
    );
    await graylane.ready('payments');
    const opened: string[] = [];
    graylane.breakers.subscribe(({ key, event }) => {
      if (event !== 'open') return;
      opened.push(`${key}: ${graylane.breakers.list().find((one) => one.key === key)?.openedBecause}`);
    });
    const call: World['call'] = (options = {}) => make(client, options);
    const calls: World['calls'] = async (howMany, options) => {
      const ended: Ended[] = [];
      for (let turn = 0; turn < howMany; turn += 1) ended.push(await call(options));
      return ended;
    };
    await calls(5 * count);
    return { graylane, servers, opened, call, calls };
  };
}

const id = (bytes: Buffer): Buffer => bytes;

function make(client: grpc.Client, options: CallOptions): Promise<Ended> {
  const { kind = 'unary', method = kind, request = Buffer.from('a'), metadata = new grpc.Metadata() } = options;
  const { deadlineMs = 5_000, parse = id } = options;
  const path = `/x.S/${method}`;
  const callOptions = { deadline: Date.now() + deadlineMs };
  return new Promise((resolve) => {
    const done = (code: number, details: string): void => void setImmediate(() => resolve({ code, details }));
    const ended = (error: grpc.ServiceError | null): void => done(error?.code ?? 0, error?.details ?? '');
    const listen = (stream: grpc.ClientReadableStream<Buffer>): void => {
      stream.on('error', () => undefined);
      stream.on('data', () => undefined);
      stream.on('status', ({ code, details }: grpc.StatusObject) => done(code, details));
    };
    let call: { cancel(): void };
    if (kind === 'unary') call = client.makeUnaryRequest(path, id, parse, request, metadata, callOptions, ended);
    else if (kind === 'upload') {
      const stream = client.makeClientStreamRequest(path, id, parse, metadata, callOptions, ended);
      stream.end(request);
      call = stream;
    } else if (kind === 'watch') {
      const stream = client.makeServerStreamRequest(path, id, parse, request, metadata, callOptions);
      listen(stream);
      call = stream;
    } else {
      const stream = client.makeBidiStreamRequest(path, id, parse, metadata, callOptions);
      listen(stream);
      stream.end(request);
      call = stream;
    }
    if (options.cancelMs !== undefined) setTimeout(() => call.cancel(), options.cancelMs);
  });
}
