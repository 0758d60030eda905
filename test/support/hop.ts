import * as grpc from '@grpc/grpc-js';
import type { AcceptOptions, Graylane } from '../../src/index';
import { type ChargeReply, charge, Payments, type PaymentsClient } from './payments';

interface ChargeRequest {
  readonly order?: string;
}

/** A server in the middle: each of its handlers calls the next one, as late and as indirectly as its kind allows. */
export interface Hop {
  readonly address: string;
  readonly port: number;
  /** What the handlers found in their `call.metadata`, newest last. */
  readonly seen: readonly grpc.Metadata[];
  /** Labels that were ambient when a call was cancelled. */
  readonly cancelled: readonly Readonly<Record<string, string>>[];
  stop(): void;
}

export interface HopOptions {
  readonly graylane: Graylane;
  readonly next: PaymentsClient;
  readonly accept: AcceptOptions;
  /** Answers name it as their `order`. Default: they are passed on as they are. */
  readonly name?: string;
  /** Runs a unary handler, as a tracer would. Default: as it is. */
  readonly around?: <T>(metadata: grpc.Metadata, handler: () => Promise<T>) => Promise<T>;
  /** Around the Graylane client's own interceptor. */
  readonly before?: readonly grpc.ServerInterceptor[];
  readonly after?: readonly grpc.ServerInterceptor[];
  /** Metadata of the call to the next server. */
  readonly metadata?: (call: { readonly metadata: grpc.Metadata }) => grpc.Metadata;
}

export async function startHop(options: HopOptions): Promise<Hop> {
  const { graylane, next, accept, name, before = [], after = [], around = (_, handler) => handler() } = options;
  const seen: grpc.Metadata[] = [];
  const cancelled: Readonly<Record<string, string>>[] = [];
  const onward = async (call: { readonly metadata: grpc.Metadata }): Promise<ChargeReply> => {
    await new Promise((resolve) => setImmediate(resolve));
    return charge(next, options.metadata?.(call) ?? new grpc.Metadata());
  };
  const begin = (call: { readonly metadata: grpc.Metadata } & NodeJS.EventEmitter): void => {
    seen.push(call.metadata);
    call.on('cancelled', () => cancelled.push(graylane.ambientLabels()));
  };
  const server = new grpc.Server({
    interceptors: [...before, graylane.serverInterceptor(accept), ...after],
    'grpc.max_concurrent_streams': 10_000,
  });
  server.addService(Payments.service, {
    async charge(call: grpc.ServerUnaryCall<ChargeRequest, ChargeReply>, callback: grpc.sendUnaryData<ChargeReply>) {
      begin(call);
      if (call.request.order === 'never') return;
      const reply = await around(call.metadata, () => onward(call));
      callback(null, name === undefined ? reply : { ...reply, order: name });
    },
    async watch(call: grpc.ServerWritableStream<{ count: number }, ChargeReply>) {
      begin(call);
      const more = async (left: number): Promise<void> => {
        if (left === 0) call.end();
        // The next one is begun where grpc-js says that this one is written.
        else call.write(await onward(call), () => void more(left - 1));
      };
      await more(call.request.count);
    },
    upload(call: grpc.ServerReadableStream<ChargeRequest, unknown>, callback: grpc.sendUnaryData<unknown>) {
      begin(call);
      const replies: Promise<ChargeReply>[] = [];
      call.on('data', () => replies.push(onward(call)));
      call.on('end', async () => {
        const tags = new Set((await Promise.all([...replies, onward(call)])).map(({ tag }) => tag));
        callback(null, { count: replies.length, servedBy: [...tags].join(' '), version: '' });
      });
    },
    converse(call: grpc.ServerDuplexStream<ChargeRequest, ChargeReply>) {
      begin(call);
      const written: Promise<unknown>[] = [];
      call.on('data', () => written.push(onward(call).then((reply) => call.write(reply))));
      call.on('end', async () => {
        await Promise.all(written);
        call.end();
      });
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return { address: `127.0.0.1:${port}`, port, seen, cancelled, stop: () => server.forceShutdown() };
}
