import * as grpc from '@grpc/grpc-js';
import { Payments } from './payments';
import { answerParent, argumentOf } from './peer';

/** A payments server. With `host` 0.0.0.0 it answers at every address of 127.0.0.0/8, for clients with many endpoints. */
interface ServerOptions {
  readonly host: string;
  readonly ports: number;
}

type ServerQuestion = 'ports' | 'cpu' | 'sessions' | { readonly failing: boolean };

export interface Sessions {
  readonly opened: number;
  readonly open: number;
}

interface ChargeRequest {
  readonly order: string;
}

async function main(): Promise<void> {
  const { host, ports } = argumentOf<ServerOptions>();
  const sessions = { opened: 0, open: 0 };
  let failing = false;
  const server = new grpc.Server({ 'grpc.max_concurrent_streams': 10_000 });
  server.addService(Payments.service, {
    charge(call: grpc.ServerUnaryCall<ChargeRequest, unknown>, callback: grpc.sendUnaryData<unknown>) {
      if (failing) callback({ code: grpc.status.INTERNAL, details: 'as told' });
      else callback(null, { order: call.request.order, servedBy: 'server' });
    },
    watch(call: grpc.ServerWritableStream<{ readonly count: number }, unknown>) {
      for (let sent = 0; sent < call.request.count; sent += 1) call.write({ order: String(sent) });
      call.end();
    },
  });
  const bound: number[] = [];
  for (let count = 0; count < ports; count += 1) bound.push(await bind(server, host));
  // grpc-js has no public hook for connections: its HTTP/2 servers do.
  const { http2Servers } = server as unknown as { http2Servers: Map<NodeJS.EventEmitter, unknown> };
  for (const each of http2Servers.keys()) {
    each.on('session', (session: NodeJS.EventEmitter) => {
      sessions.opened += 1;
      sessions.open += 1;
      session.once('close', () => {
        sessions.open -= 1;
      });
    });
  }
  answerParent(async (question: ServerQuestion) => {
    if (question === 'ports') return bound;
    if (question === 'sessions') return sessions;
    if (question === 'cpu') return process.cpuUsage();
    failing = question.failing;
    return failing;
  });
}

function bind(server: grpc.Server, host: string): Promise<number> {
  return new Promise((resolve, reject) =>
    server.bindAsync(`${host}:0`, grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
}

void main();
