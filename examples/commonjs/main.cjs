// Plain CommonJS, no TypeScript: `require('graylane')`.
const { join } = require('node:path');
const grpc = require('@grpc/grpc-js');
const { loadSync } = require('@grpc/proto-loader');
const { createGraylane } = require('graylane');

const definition = loadSync(join(__dirname, '..', '..', 'proto', 'payments.proto'), { defaults: true });
const { Payments } = grpc.loadPackageDefinition(definition).shop.v1;

async function main() {
  const servers = await Promise.all(['p1', 'p2'].map(serve));
  const graylane = createGraylane({
    instances: { payments: servers.map(({ port }) => ({ address: '127.0.0.1', port })) },
  });
  const client = new Payments(graylane.target('payments'), grpc.credentials.createInsecure(), graylane.clientOptions());

  const served = new Set();
  for (let call = 0; call < 100; call += 1) served.add(await charge(client));
  console.log('100 calls, answered by', [...served].sort().join(' and '));
  if (served.size !== 2) process.exitCode = 1;

  await graylane.close();
  client.close();
  for (const { server } of servers) server.forceShutdown();
}

function charge(client) {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 2_000;
    client.charge({ order: 'o-1' }, new grpc.Metadata(), { deadline }, (error, reply) =>
      error ? reject(error) : resolve(reply.servedBy),
    );
  });
}

function serve(name) {
  const server = new grpc.Server();
  server.addService(Payments.service, {
    charge: (call, callback) => callback(null, { order: call.request.order, servedBy: name }),
  });
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve({ server, port }),
    );
  });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
