import * as grpc from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { type ChargeReply, Payments } from '../../support/payments';

interface ChargeRequest {
  readonly order?: string;
}

/** A server with the health service, whose calls take as long as they are told. */
export interface HealthyServer {
  readonly server: grpc.Server;
  readonly health: HealthImplementation;
  readonly port: number;
  /** Calls begun, each on `performance.now()`. */
  readonly begun: readonly number[];
  readonly sessions: () => number;
}

export async function startHealthyServer(
  options: { readonly name?: string; readonly port?: number; readonly delayMs?: number } = {},
): Promise<HealthyServer> {
  const { name = 'p1', port = 0, delayMs = 0 } = options;
  const begun: number[] = [];
  const server = new grpc.Server();
  const health = new HealthImplementation({ '': 'NOT_SERVING' });
  health.addToServer(server);
  const answer = { servedBy: name, version: 'stable', datacenter: 'dc1', gray: '', tag: '' };
  server.addService(Payments.service, {
    charge(call: grpc.ServerUnaryCall<ChargeRequest, ChargeReply>, callback: grpc.sendUnaryData<ChargeReply>) {
      begun.push(performance.now());
      setTimeout(() => callback(null, { ...answer, order: call.request.order ?? '' }), delayMs);
    },
  });
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, number) =>
      error === null ? resolve(number) : reject(error),
    ),
  );
  const { sessions } = server as unknown as { readonly sessions: ReadonlyMap<unknown, unknown> };
  return { server, health, port: bound, begun, sessions: () => sessions.size };
}
