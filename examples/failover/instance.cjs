// One instance of the payments service in a process of its own, to be killed, frozen, or told to fail.
const { join } = require('node:path');
const grpc = require('@grpc/grpc-js');
const { loadSync } = require('@grpc/proto-loader');

const [name, version] = process.argv.slice(2);
const definition = loadSync(join(__dirname, '..', '..', 'proto', 'payments.proto'), { longs: Number, defaults: true });
const { Payments } = grpc.loadPackageDefinition(definition).shop.v1;
let isFailing = false;

const server = new grpc.Server();
server.addService(Payments.service, {
  charge(call, callback) {
    if (isFailing) callback({ code: grpc.status.INTERNAL, details: 'a bug in this version' });
    else callback(null, { order: call.request.order, servedBy: name, version });
  },
});
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.send(port);
});

process.on('message', (message) => {
  isFailing = message === 'fail';
});
process.on('disconnect', () => process.exit(0));
