/*
 * The machine of a reader, for pages that are run as they stand: what they find at a fixed port (`GRAYLANE_READER`, JSON) or host
 * (`globalThis.readerHosts`) is served elsewhere, and every port that they listen at is a free one.
 */
const net = require('node:net');

const ports = JSON.parse(process.env['GRAYLANE_READER'] ?? '{}');

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function connectAsRead(...args) {
  const given = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (typeof given !== 'object' || given === null || given.path != null) return connect.apply(this, args);
  const place = globalThis.readerHosts?.[given.host] ?? ports[given.port];
  if (place !== undefined) Object.assign(given, place);
  return connect.apply(this, args);
};

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function listenAsRead(...args) {
  const given = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (typeof given === 'number')
    return listen.call(this, 0, '127.0.0.1', ...args.filter((one) => typeof one === 'function'));
  if (typeof given === 'object' && given !== null && given.port !== undefined) {
    Object.assign(given, { port: 0, host: '127.0.0.1' });
  }
  return listen.apply(this, args);
};
