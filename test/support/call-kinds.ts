import * as grpc from '@grpc/grpc-js';
import type { PaymentsClient } from './payments';

/** What a caller sees of a call's end. */
export type CallStatus = number;

type Begin = (client: PaymentsClient, metadata: grpc.Metadata, done: (code: CallStatus) => void) => grpc.Call;

/** One call of each kind, run to its end. Streams carry three messages. */
export const CALL_KINDS: Readonly<Record<'charge' | 'watch' | 'upload' | 'converse', Begin>> = {
  charge: (client, metadata, done) =>
    client.charge({ order: 'o-1' }, metadata, (error) => done(error === null ? 0 : error.code)) as unknown as grpc.Call,
  watch: (client, metadata, done) => {
    const call = client.watch({ count: 3 }, metadata);
    return ending(call as unknown as grpc.Call, done);
  },
  upload: (client, metadata, done) => {
    const call = client.upload(metadata, (error) => done(error === null ? 0 : error.code));
    for (let sent = 0; sent < 3; sent += 1) call.write({ order: String(sent) });
    call.end();
    return call as unknown as grpc.Call;
  },
  converse: (client, metadata, done) => {
    const call = client.converse(metadata);
    for (let sent = 0; sent < 3; sent += 1) call.write({ order: String(sent) });
    call.end();
    return ending(call as unknown as grpc.Call, done);
  },
};

export type CallKind = keyof typeof CALL_KINDS;

export function run(
  client: PaymentsClient,
  kind: CallKind,
  labels: Readonly<Record<string, string>> = {},
): Promise<CallStatus> {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(labels)) metadata.set(key, value);
  return new Promise((resolve) => CALL_KINDS[kind](client, metadata, resolve));
}

function ending(call: grpc.Call, done: (code: CallStatus) => void): grpc.Call {
  const stream = call as unknown as NodeJS.EventEmitter;
  stream.on('data', () => {});
  stream.on('error', () => {});
  stream.once('status', (status: grpc.StatusObject) => done(status.code));
  return call;
}
