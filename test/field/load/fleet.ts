import * as grpc from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';

const id = (bytes: Buffer): Buffer => bytes;

function method<Q extends boolean, R extends boolean>(name: string, requestStream: Q, responseStream: R) {
  return {
    path: `/field.Load/${name}`,
    requestStream,
    responseStream,
    requestSerialize: id,
    requestDeserialize: id,
    responseSerialize: id,
    responseDeserialize: id,
  };
}

/** Two unary methods, and one of each kind of stream. */
const DEFINITION = {
  get: method('Get', false, false),
  report: method('Report', false, false),
  upload: method('Upload', true, false),
  watch: method('Watch', false, true),
  converse: method('Converse', true, true),
};
const LoadClient = grpc.makeGenericClientConstructor(DEFINITION, 'field.Load');

interface Behaviour {
  /** How long `get` and `report` take. */
  readonly getMs?: number;
  readonly reportMs?: number;
  /** Answers each call at once with this status. */
  readonly code?: number;
  /** Only every so many calls; each one when left out. */
  readonly failsEvery?: number;
  /** Streams stay silent, or send one event after so long and end. */
  readonly firstEventMs?: number;
}

interface FieldServer {
  readonly name: string;
  readonly port: number;
  behaviour: Behaviour;
  /** Streams that are open now. */
  openStreams: number;
  readonly gets: number;
  stop(): void;
}

async function startServer(name: string, behaviour: Behaviour, hasHealth: boolean): Promise<FieldServer> {
  const server = new grpc.Server();
  let gets = 0;
  const after = (ms: number, callback: grpc.sendUnaryData<Buffer>): void => {
    const { code, failsEvery = 1 } = field.behaviour;
    if (code === undefined || gets % failsEvery !== 0) setTimeout(() => callback(null, Buffer.from(name)), ms);
    else callback({ code, details: 'as told' });
  };
  const stream = (call: grpc.ServerWritableStream<Buffer, Buffer> | grpc.ServerDuplexStream<Buffer, Buffer>): void => {
    const { code, firstEventMs } = field.behaviour;
    if (code !== undefined) return void call.emit('error', { code, details: 'as told' });
    field.openStreams += 1;
    call.on('close', () => {
      field.openStreams -= 1;
    });
    call.on('error', () => undefined);
    if (firstEventMs === undefined) return;
    setTimeout(() => {
      call.write(Buffer.from(name));
      call.end();
    }, firstEventMs);
  };
  server.addService(DEFINITION, {
    get: (_: unknown, callback: grpc.sendUnaryData<Buffer>) => {
      gets += 1;
      after(field.behaviour.getMs ?? 3, callback);
    },
    report: (_: unknown, callback: grpc.sendUnaryData<Buffer>) => after(field.behaviour.reportMs ?? 600, callback),
    upload: () => undefined,
    watch: stream,
    converse: stream,
  });
  if (hasHealth) new HealthImplementation({ '': 'SERVING' }).addToServer(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const field: FieldServer = {
    name,
    port,
    behaviour,
    openStreams: 0,
    get gets() {
      return gets;
    },
    stop: () => server.forceShutdown(),
  };
  return field;
}

export interface Fleet {
  readonly graylane: Graylane;
  readonly servers: readonly FieldServer[];
  /** Makes a call and says who answered; undefined when it failed. */
  call(name?: 'get' | 'report', options?: grpc.CallOptions): Promise<string | undefined>;
  /** Opens a stream that nobody ends before the test does; at a certain server where that is asked for. */
  open(kind?: StreamKind, index?: number): void;
  /** Calls every `everyMs`; how many each server answered, `failed` among them. */
  load(forMs: number, everyMs: number, name?: 'get' | 'report'): Promise<Map<string, number>>;
}

export const STREAM_KINDS = ['watch', 'converse', 'upload'] as const;
type StreamKind = (typeof STREAM_KINDS)[number];

export interface FleetOptions {
  readonly behaviours: readonly Behaviour[];
  readonly balancing?: PolicyDocument['balancing'];
  readonly hasHealth?: boolean;
  /** Calls of which no definition is seen. */
  readonly isBare?: boolean;
}

export function fleets(): (options: FleetOptions) => Promise<Fleet> {
  const closing = closeAfterEach();
  return async ({ behaviours, balancing, hasHealth = false, isBare = false }) => {
    const servers = await Promise.all(
      behaviours.map(async (each, index) => closing(await startServer(`s${index}`, each, hasHealth), (s) => s.stop())),
    );
    const policy = { schema: 1, service: 'field', ...(balancing === undefined ? {} : { balancing }) } as PolicyDocument;
    const graylane = closing(
      createGraylane({
        instances: { field: servers.map(({ name, port }) => ({ id: name, address: '127.0.0.1', port })) },
        policies: { field: policy },
      }),
      (opened) => opened.close(),
    );
    const options = isBare ? {} : graylane.clientOptions();
    const client = closing(
      new LoadClient(graylane.target('field'), grpc.credentials.createInsecure(), options) as unknown as grpc.Client,
      (one) => one.close(),
    );
    const start = client as unknown as Record<string, (...parameters: unknown[]) => grpc.ClientReadableStream<Buffer>>;
    await graylane.ready('field');
    client.getChannel().getConnectivityState(true);
    const isConnected = (): boolean =>
      graylane.inspect().services[0]?.endpoints.every(({ connections }) => connections.includes('ready')) ?? false;
    while (!isConnected()) await pause(5);
    const call: Fleet['call'] = (name = 'get', callOptions = {}) =>
      new Promise((resolve) => {
        const ended = (error: unknown, reply?: Buffer): void => resolve(error === null ? reply?.toString() : undefined);
        start[name]?.call(client, Buffer.alloc(0), { deadline: Date.now() + 5_000, ...callOptions }, ended);
      });
    const streams: { cancel(): void }[] = [];
    closing(streams, (all) => {
      for (const each of all) each.cancel();
    });
    return {
      graylane,
      servers,
      call,
      open: (kind = 'watch', index) => {
        const begin = (): void => {
          const request = kind === 'watch' ? [Buffer.alloc(0)] : [];
          const ended = kind === 'upload' ? [() => undefined] : [];
          const stream = start[kind]?.call(client, ...request, ...ended);
          stream?.on('error', () => undefined);
          if (stream !== undefined) streams.push(stream);
          if (kind !== 'upload') stream?.on('data', () => undefined);
        };
        if (index === undefined) begin();
        else graylane.with({ force: { instance: `s${index}` } }, begin);
      },
      load: async (forMs, everyMs, name = 'get') => {
        const counts = new Map<string, number>(servers.map((server) => [server.name, 0]));
        const calls: Promise<unknown>[] = [];
        const startMs = performance.now();
        while (performance.now() - startMs < forMs) {
          calls.push(
            call(name).then((by = 'failed') => {
              counts.set(by, (counts.get(by) ?? 0) + 1);
            }),
          );
          await pause(Math.max(0, startMs + calls.length * everyMs - performance.now()));
        }
        await Promise.all(calls);
        return counts;
      },
    };
  };
}
