import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const definition = loadSync(join(__dirname, '..', '..', 'proto', 'payments.proto'), { longs: Number, defaults: true });
const loaded = grpc.loadPackageDefinition(definition) as unknown as {
  shop: { v1: { Payments: grpc.ServiceClientConstructor } };
};

/** The sample service. */
export const Payments: grpc.ServiceClientConstructor = loaded.shop.v1.Payments;

export interface PaymentsClient extends grpc.Client {
  charge(
    request: object,
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    callback: (error: grpc.ServiceError | null, reply?: { readonly servedBy: string }) => void,
  ): grpc.ClientUnaryCall;
  watch(request: object, metadata: grpc.Metadata, options: grpc.CallOptions): grpc.ClientReadableStream<unknown>;
}

export function paymentsClient(target: string, options?: grpc.ClientOptions): PaymentsClient {
  return new Payments(target, grpc.credentials.createInsecure(), options) as unknown as PaymentsClient;
}
