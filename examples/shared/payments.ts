// The sample service of proto/payments.proto, as the examples serve it and call it. What Graylane adds is in their main files.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export interface ChargeReply {
  order: string;
  servedBy: string;
  version: string;
  datacenter: string;
  gray: string;
  tag: string;
}

export interface ChargeRequest {
  order: string;
  amountCents?: number;
}

export interface UploadReply {
  count: number;
  servedBy: string;
  version: string;
}

/** What a code generator would make of the proto file; the examples load it at run time instead. */
export interface PaymentsClient extends grpc.Client {
  charge(
    request: ChargeRequest,
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    callback: grpc.requestCallback<ChargeReply>,
  ): grpc.ClientUnaryCall;
  watch(
    request: { count: number; intervalMs?: number },
    metadata: grpc.Metadata,
  ): grpc.ClientReadableStream<ChargeReply>;
  upload(
    metadata: grpc.Metadata,
    callback: grpc.requestCallback<UploadReply>,
  ): grpc.ClientWritableStream<ChargeRequest>;
  converse(metadata: grpc.Metadata): grpc.ClientDuplexStream<ChargeRequest, ChargeReply>;
}

const definition = loadSync(join(__dirname, '..', '..', 'proto', 'payments.proto'), { longs: Number, defaults: true });
const { shop } = grpc.loadPackageDefinition(definition) as unknown as {
  shop: { v1: { Payments: grpc.ServiceClientConstructor } };
};

export const Payments: grpc.ServiceClientConstructor = shop.v1.Payments;

export function createPaymentsClient(target: string, options: grpc.ClientOptions): PaymentsClient {
  return new Payments(target, grpc.credentials.createInsecure(), options) as unknown as PaymentsClient;
}

/** One call as a promise, with a deadline of 10 s: an example may have a busy machine. */
export function charge(client: PaymentsClient, metadata: grpc.Metadata = new grpc.Metadata()): Promise<ChargeReply> {
  return new Promise((resolve, reject) => {
    client.charge({ order: 'o-1' }, metadata, { deadline: Date.now() + 10_000 }, (error, reply) => {
      if (error !== null || reply === undefined) reject(error ?? new Error('no reply'));
      else resolve(reply);
    });
  });
}

export interface PaymentsServer {
  readonly host: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** A real gRPC server on a free port; each answer says who gave it. */
export async function startPaymentsServer(
  name: string,
  version: 'stable' | 'canary',
  datacenter = 'local',
): Promise<PaymentsServer> {
  const host = '127.0.0.1';
  const reply = (order: string, metadata: grpc.Metadata): ChargeReply => ({
    order,
    servedBy: name,
    version,
    datacenter,
    gray: String(metadata.get('x-gray')[0] ?? ''),
    tag: String(metadata.get('x-tag')[0] ?? ''),
  });
  const server = new grpc.Server();
  server.addService(Payments.service, {
    charge(call: grpc.ServerUnaryCall<ChargeRequest, ChargeReply>, callback: grpc.sendUnaryData<ChargeReply>) {
      callback(null, reply(call.request.order, call.metadata));
    },
    watch(call: grpc.ServerWritableStream<{ count: number }, ChargeReply>) {
      for (let sent = 0; sent < call.request.count; sent += 1) call.write(reply(`o-${sent}`, call.metadata));
      call.end();
    },
    upload(call: grpc.ServerReadableStream<ChargeRequest, UploadReply>, callback: grpc.sendUnaryData<UploadReply>) {
      let count = 0;
      call.on('data', () => {
        count += 1;
      });
      call.on('end', () => callback(null, { count, servedBy: name, version }));
    },
    converse(call: grpc.ServerDuplexStream<ChargeRequest, ChargeReply>) {
      call.on('data', (request: ChargeRequest) => call.write(reply(request.order, call.metadata)));
      call.on('end', () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:0`, grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { host, port, stop: () => new Promise((resolve) => server.tryShutdown(() => resolve())) };
}

/** Waits until a condition holds; throws after 15 s. */
export async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within 15 s: ${condition}`);
    await sleep(20);
  }
}

/** Ends the example with exit code 1 unless `holds`: an example that stops showing what it says must be noticed. */
export function expectThat(holds: boolean, what: string): void {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}`);
  if (!holds) process.exitCode = 1;
}
