// The service in the middle. What Graylane adds is one interceptor on its way in, and a Graylane client on its way out.
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Graylane } from 'graylane';
import { charge, createPaymentsClient } from '../shared/payments';
import { inServerSpan, metadataGetter } from './tracing';

export interface PlaceReply {
  order: string;
  orders: string;
  payments: string;
  gray: string;
  tag: string;
}

interface PlaceRequest {
  order: string;
}

interface OrdersClient extends grpc.Client {
  place(
    request: PlaceRequest,
    options: grpc.CallOptions,
    callback: grpc.requestCallback<PlaceReply>,
  ): grpc.ClientUnaryCall;
}

const definition = loadSync(join(__dirname, 'orders.proto'), { defaults: true });
const { shop } = grpc.loadPackageDefinition(definition) as unknown as {
  shop: { v1: { Orders: grpc.ServiceClientConstructor } };
};

export interface OrdersServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** `graylane`: the one that leads to payments. */
export async function startOrdersServer(name: string, graylane: Graylane): Promise<OrdersServer> {
  const payments = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  const server = new grpc.Server({ interceptors: [graylane.serverInterceptor({ accept: ['x-gray', 'x-tag'] })] });
  server.addService(shop.v1.Orders.service, {
    async place(call: grpc.ServerUnaryCall<PlaceRequest, PlaceReply>, callback: grpc.sendUnaryData<PlaceReply>) {
      try {
        const reply = await inServerSpan(name, call.getPath(), call.metadata, metadataGetter, async () => {
          // Nothing here hands labels on: the call carries those of the call that it answers.
          const { servedBy, gray, tag } = await charge(payments);
          return { order: call.request.order, orders: name, payments: servedBy, gray, tag };
        });
        callback(null, reply);
      } catch (error) {
        callback(error as grpc.ServiceError);
      }
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    stop: async () => {
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      payments.close();
    },
  };
}

export function createOrdersClient(graylane: Graylane): OrdersClient {
  const { Orders } = shop.v1;
  const client = new Orders(graylane.target('orders'), grpc.credentials.createInsecure(), graylane.clientOptions());
  return client as unknown as OrdersClient;
}

export function place(client: OrdersClient, order: string): Promise<PlaceReply> {
  return new Promise((resolve, reject) => {
    client.place({ order }, { deadline: Date.now() + 5_000 }, (error, reply) => {
      if (error !== null || reply === undefined) reject(error ?? new Error('no reply'));
      else resolve(reply);
    });
  });
}
