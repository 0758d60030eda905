import * as grpc from '@grpc/grpc-js';
import type { ConsulDatacenter } from '../../test/support/consul/start';
import { type ChargeReply, Payments } from '../shared/payments';

/** Two instances of a version, registered in Consul. `failing`: each so-manieth call ends in INTERNAL; 0: none. */
export async function startVersion(
  version: string,
  failing: number,
  consul: ConsulDatacenter,
): Promise<readonly grpc.Server[]> {
  return Promise.all(
    [1, 2].map(async (at) => {
      const { server, port } = await serve(version, failing);
      const id = `payments-${version}-${at}`;
      await consul.register({ name: 'payments', id, address: '127.0.0.1', port, tags: [version] });
      return server;
    }),
  );
}

async function serve(
  version: string,
  failing: number,
): Promise<{ readonly server: grpc.Server; readonly port: number }> {
  const server = new grpc.Server();
  let calls = 0;
  server.addService(Payments.service, {
    charge(_call: unknown, callback: grpc.sendUnaryData<Partial<ChargeReply>>) {
      calls += 1;
      if (failing > 0 && calls % failing === 0) {
        callback({ code: grpc.status.INTERNAL, details: `a bug in ${version}` });
        return;
      }
      // As long as a quick database query takes.
      setTimeout(() => callback(null, { order: 'o-1', version }), 3 + 4 * Math.random());
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return { server, port };
}
