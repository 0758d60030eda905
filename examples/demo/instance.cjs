// One instance of the payments service in a process of its own, so that it can be killed like one.
const { join } = require('node:path');
const grpc = require('@grpc/grpc-js');
const { loadSync } = require('@grpc/proto-loader');

const [name, version, datacenter, wantedPort = '0'] = process.argv.slice(2);
const definition = loadSync(join(__dirname, '..', '..', 'proto', 'payments.proto'), { longs: Number, defaults: true });
const { Payments } = grpc.loadPackageDefinition(definition).shop.v1;

/** One call of so many fails; 0: none does. */
let failing = 0;
let calls = 0;

const server = new grpc.Server();
server.addService(Payments.service, {
  charge(call, callback) {
    calls += 1;
    if (failing > 0 && calls % failing === 0) {
      callback({ code: grpc.status.INTERNAL, details: 'a bug in this version' });
      return;
    }
    const gray = String(call.metadata.get('x-gray')[0] ?? '');
    // As long as a quick database query takes.
    setTimeout(
      () => callback(null, { order: call.request.order, servedBy: name, version, datacenter, gray }),
      2 + 4 * Math.random(),
    );
  },
});
server.bindAsync(`127.0.0.1:${wantedPort}`, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.send(port);
});

process.on('message', (message) => {
  failing = Number(message);
});

// The demo decides when this ends; and when the demo is gone, whatever ended it, so is this.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
