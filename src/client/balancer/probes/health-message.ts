/*
 * The two messages of grpc.health.v1 (https://github.com/grpc/grpc/blob/master/doc/health-checking.md), encoded by hand:
 * they are too small to earn a dependency.
 */

export const HEALTH_CHECK_PATH = '/grpc.health.v1.Health/Check';

/** An uncompressed gRPC message of no bytes: HealthCheckRequest with the service name "", which means the whole server. */
export const HEALTH_CHECK_REQUEST: Buffer = Buffer.alloc(5);

/** What a server says of itself. `unknown`: nothing, or nothing that can be read. */
export type ServingStatus = 'serving' | 'notServing' | 'unknown';

const PREFIX_BYTES = 5;
const STATUS_FIELD = 1;
const SERVING = 1;
const NOT_SERVING = 2;

/** Reads a HealthCheckResponse with its gRPC prefix of five bytes. Never throws. */
export function readServingStatus(message: Buffer): ServingStatus {
  if (message.length < PREFIX_BYTES || message[0] !== 0) return 'unknown';
  const reader = { bytes: message, at: PREFIX_BYTES };
  let status: ServingStatus = 'unknown';
  while (reader.at < message.length) {
    const tag = readVarint(reader);
    if (tag === undefined) return 'unknown';
    const wireType = tag & 7;
    const value = wireType === 1 || wireType === 5 ? 0 : readVarint(reader);
    if (value === undefined || wireType === 3 || wireType === 4 || wireType > 5) return 'unknown';
    if (wireType === 1) reader.at += 8;
    else if (wireType === 2) reader.at += value;
    else if (wireType === 5) reader.at += 4;
    else if (tag >>> 3 === STATUS_FIELD) {
      status = value === SERVING ? 'serving' : value === NOT_SERVING ? 'notServing' : 'unknown';
    }
  }
  return reader.at === message.length ? status : 'unknown';
}

/** Undefined: cut off, or longer than 32 bits, which nothing in these messages is. */
function readVarint(reader: { readonly bytes: Buffer; at: number }): number | undefined {
  let value = 0;
  for (let shift = 0; shift < 32; shift += 7) {
    const byte = reader.bytes[reader.at];
    if (byte === undefined) return undefined;
    reader.at += 1;
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return value;
  }
  return undefined;
}
