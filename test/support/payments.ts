import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** The sample service, as tests call it and serve it. */
export interface ChargeReply {
  order: string;
  servedBy: string;
  version: string;
  datacenter: string;
  gray: string;
  tag: string;
}

interface ChargeRequest {
  order?: string;
  amountCents?: number;
}

type Callback<T> = (error: grpc.ServiceError | null, reply: T) => void;

export interface PaymentsClient extends grpc.Client {
  charge(request: ChargeRequest, callback: Callback<ChargeReply>): grpc.ClientUnaryCall;
  charge(request: ChargeRequest, metadata: grpc.Metadata, callback: Callback<ChargeReply>): grpc.ClientUnaryCall;
  charge(
    request: ChargeRequest,
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    callback: Callback<ChargeReply>,
  ): grpc.ClientUnaryCall;
  watch(
    request: { count: number; intervalMs?: number },
    metadata?: grpc.Metadata,
    options?: grpc.CallOptions,
  ): grpc.ClientReadableStream<ChargeReply>;
  upload(
    metadata: grpc.Metadata,
    callback: Callback<{ count: number; servedBy: string; version: string }>,
  ): grpc.ClientWritableStream<ChargeRequest>;
  upload(
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    callback: Callback<{ count: number; servedBy: string; version: string }>,
  ): grpc.ClientWritableStream<ChargeRequest>;
  converse(metadata?: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<ChargeRequest, ChargeReply>;
}

const definition = loadSync(join(__dirname, '..', '..', 'proto', 'payments.proto'), {
  longs: Number,
  defaults: true,
});
const loaded = grpc.loadPackageDefinition(definition) as unknown as {
  shop: { v1: { Payments: grpc.ServiceClientConstructor } };
};

export const Payments: grpc.ServiceClientConstructor = loaded.shop.v1.Payments;
export const CHARGE = '/shop.v1.Payments/Charge';

export function paymentsClient(
  target: string,
  options?: grpc.ClientOptions,
  credentials: grpc.ChannelCredentials = grpc.credentials.createInsecure(),
): PaymentsClient {
  return new Payments(target, credentials, options) as unknown as PaymentsClient;
}

export interface ServerIdentity {
  readonly name: string;
  readonly version: string;
  readonly datacenter: string;
}

export interface PaymentsServer extends ServerIdentity {
  readonly host: string;
  readonly port: number;
  /** Calls begun. */
  readonly calls: number;
  /** Requests that were read from streams. */
  readonly messages: number;
  /** The `:authority` of the last unary call. */
  readonly authority: string | undefined;
  /** Connections that were ever opened to it, and those open now. */
  readonly sessions: { opened: number; open: number };
  /** What unary calls do instead of answering. */
  behave(behaviour: Behaviour | undefined): void;
  /** What the last call came with. */
  lastMetadata(): grpc.Metadata | undefined;
  /** Graceful. */
  stop(): Promise<void>;
  /** At once. */
  kill(): void;
}

export type Behaviour =
  /** `every: 5` fails one call in five; default 1, all. */
  | { readonly code: grpc.status; readonly details?: string; readonly every?: number; readonly afterMs?: number }
  | { readonly delayMs: number };

/** A service of its own beside the sample one: health, reflection. */
interface Addable {
  addToServer(server: grpc.Server): void;
}

/** A real grpc-js server on a free port that says in each answer who it is. */
export async function startPaymentsServer(
  identity: Partial<ServerIdentity> & { readonly health?: Addable; readonly reflection?: Addable } = {},
  host = '127.0.0.1',
  port = 0,
  credentials = grpc.ServerCredentials.createInsecure(),
): Promise<PaymentsServer> {
  const { name = 'p1', version = 'stable', datacenter = 'dc1' } = identity;
  let behaviour: Behaviour | undefined;
  let calls = 0;
  let messages = 0;
  let authority: string | undefined;
  let lastMetadata: grpc.Metadata | undefined;
  const sessions = { opened: 0, open: 0 };
  const reply = (order: string | undefined, metadata: grpc.Metadata): ChargeReply => ({
    order: order ?? '',
    servedBy: name,
    version,
    datacenter,
    gray: String(metadata.get('x-gray')[0] ?? ''),
    tag: String(metadata.get('x-tag')[0] ?? ''),
  });
  const server = new grpc.Server({ 'grpc.max_concurrent_streams': 10_000 });
  server.addService(Payments.service, {
    charge(call: grpc.ServerUnaryCall<ChargeRequest, ChargeReply>, callback: grpc.sendUnaryData<ChargeReply>) {
      calls += 1;
      authority = call.getHost();
      lastMetadata = call.metadata;
      const answer = reply(call.request.order, call.metadata);
      const isSpared = behaviour !== undefined && 'code' in behaviour && calls % (behaviour.every ?? 1) !== 0;
      if (behaviour === undefined || isSpared) callback(null, answer);
      else if ('code' in behaviour) {
        const failure = { code: behaviour.code, details: behaviour.details ?? 'as told' };
        if (behaviour.afterMs === undefined) callback(failure);
        else setTimeout(() => callback(failure), behaviour.afterMs);
      } else setTimeout(() => callback(null, answer), behaviour.delayMs);
    },
    watch(call: grpc.ServerWritableStream<{ count: number; intervalMs: number }, ChargeReply>) {
      calls += 1;
      lastMetadata = call.metadata;
      const { count, intervalMs } = call.request;
      let sent = 0;
      const next = (): void => {
        if (call.cancelled) return;
        if (sent >= count) {
          call.end();
          return;
        }
        call.write(reply(String(sent), call.metadata));
        sent += 1;
        if (intervalMs > 0) setTimeout(next, intervalMs);
        else next();
      };
      next();
    },
    upload(call: grpc.ServerReadableStream<ChargeRequest, unknown>, callback: grpc.sendUnaryData<unknown>) {
      calls += 1;
      lastMetadata = call.metadata;
      let count = 0;
      call.on('data', () => {
        count += 1;
        messages += 1;
      });
      call.on('end', () => callback(null, { count, servedBy: name, version }));
    },
    converse(call: grpc.ServerDuplexStream<ChargeRequest, ChargeReply>) {
      calls += 1;
      lastMetadata = call.metadata;
      call.on('data', (request: ChargeRequest) => {
        messages += 1;
        call.write(reply(request.order, call.metadata));
      });
      call.on('end', () => call.end());
    },
  });
  identity.health?.addToServer(server);
  identity.reflection?.addToServer(server);
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`${host}:${port}`, credentials, (error, boundPort) =>
      error === null ? resolve(boundPort) : reject(error),
    ),
  );
  countSessions(server, sessions);
  return {
    name,
    version,
    datacenter,
    host,
    port: bound,
    get calls() {
      return calls;
    },
    get messages() {
      return messages;
    },
    get authority() {
      return authority;
    },
    sessions,
    lastMetadata: () => lastMetadata,
    behave: (next) => {
      behaviour = next;
    },
    stop: () => new Promise((resolve) => server.tryShutdown(() => resolve())),
    kill: () => server.forceShutdown(),
  };
}

/** grpc-js has no public hook for connections: its HTTP/2 servers do. */
function countSessions(server: grpc.Server, sessions: { opened: number; open: number }): void {
  const { http2Servers } = server as unknown as { http2Servers: Map<NodeJS.EventEmitter, unknown> };
  for (const http2Server of http2Servers.keys()) {
    http2Server.on('session', (session: NodeJS.EventEmitter) => {
      sessions.opened += 1;
      sessions.open += 1;
      session.once('close', () => {
        sessions.open -= 1;
      });
    });
  }
}

export function charge(
  client: PaymentsClient,
  labels: Readonly<Record<string, string>> | grpc.Metadata = {},
  options: grpc.CallOptions = { deadline: Date.now() + 20_000 },
): Promise<ChargeReply> {
  const metadata = labels instanceof grpc.Metadata ? labels : new grpc.Metadata();
  if (!(labels instanceof grpc.Metadata)) for (const [key, value] of Object.entries(labels)) metadata.set(key, value);
  return new Promise((resolve, reject) =>
    client.charge({ order: 'o-1' }, metadata, options, (error, reply) =>
      error === null ? resolve(reply) : reject(error),
    ),
  );
}

/** How many of `count` calls each version, server or datacenter answered. */
export async function tally(
  count: number,
  by: (reply: ChargeReply) => string,
  call: (index: number) => Promise<ChargeReply>,
  concurrency = 32,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  let begun = 0;
  const worker = async (): Promise<void> => {
    while (begun < count) {
      const index = begun;
      begun += 1;
      const key = by(await call(index));
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return counts;
}
