// `node server.mjs VERSION [PORT]`: a server of payments that registers itself in Consul, and leaves it on SIGTERM.
import { hostname } from 'node:os';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { registerInstance, stopOnSignals } from 'graylane/server';
import { HealthImplementation } from 'grpc-health-check';

const [version = 'stable', port = '50051'] = process.argv.slice(2);
const { shop } = grpc.loadPackageDefinition(loadSync('payments.proto', { longs: Number, defaults: true }));
const server = new grpc.Server();
const health = new HealthImplementation();
health.addToServer(server);
server.addService(shop.v1.Payments.service, {
  charge: ({ request }, callback) => callback(null, { order: request.order, servedBy: hostname(), version }),
});

server.bindAsync(`0.0.0.0:${port}`, grpc.ServerCredentials.createInsecure(), (error, bound) => {
  if (error !== null) throw error;
  // Other containers reach this one by its host name. They share one agent, so the address must be said.
  const address = process.env.GRAYLANE_ADDRESS ?? hostname();
  stopOnSignals(registerInstance({ name: 'payments', port: bound, address, tags: [version], server, health }));
  console.log(`${version} serves at ${address}:${bound}`);
});
