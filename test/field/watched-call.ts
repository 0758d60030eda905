import * as grpc from '@grpc/grpc-js';
import type { PaymentsClient } from '../support/payments';
import { type Cell, endsAtCaller } from './cells';
import type { FaultService } from './fault-service';

/** All that a caller can tell of a call, and how often it was begun at the servers. */
export interface Seen {
  readonly code: string;
  /** Without addresses, times and numbers that differ from run to run. */
  readonly details: string;
  readonly executions: number;
  /** In the order in which the caller got them. */
  readonly events: readonly string[];
  readonly header: boolean;
  readonly trailer: boolean;
  /** What `getPeer()` says when the call has ended. */
  readonly peer: 'known' | 'unknown';
}

/** No call needs it: what runs so long hangs. */
const LONG_DEADLINE_MS = 15_000;

type Stream = grpc.ClientReadableStream<unknown> & grpc.ClientWritableStream<unknown>;

/**
 * Makes the call of `cell` and resolves when everything has been told. Undefined where its short deadline came before
 * the server had done its part.
 */
export async function watchCall(
  client: PaymentsClient,
  cell: Cell,
  service: FaultService,
  shortDeadlineMs: number,
): Promise<Seen | undefined> {
  const events: string[] = [];
  let header = false;
  let endedWith: grpc.StatusObject | undefined;
  let isTooEarly = false;
  const isShort = cell.ending.by !== 'cancel' && endsAtCaller(cell.kind, cell.ending, cell.position);
  const limitMs = isShort ? shortDeadlineMs : LONG_DEADLINE_MS;
  const options = { deadline: Date.now() + limitMs };
  const hasCallback = cell.kind === 'unary' || cell.kind === 'client streaming';
  let isCalledBack = !hasCallback;
  let ended = (): void => {};
  const hasEnded = new Promise<void>((resolve) => {
    ended = () => {
      if (endedWith !== undefined && isCalledBack) resolve();
    };
  });
  const call = begin(client, cell, options, (error) => {
    events.push(error === null ? 'reply' : 'callback with error');
    isCalledBack = true;
    ended();
  });
  call.on('metadata', (metadata: grpc.Metadata) => {
    events.push('metadata');
    header ||= metadata.get('x-header').length > 0;
  });
  if (!hasCallback) {
    call.on('data', () => events.push('data'));
    call.on('end', () => events.push('end'));
    call.on('error', () => events.push('error'));
  }
  call.on('status', (status: grpc.StatusObject) => {
    events.push('status');
    endedWith = status;
    isTooEarly = isShort && status.code === grpc.status.DEADLINE_EXCEEDED && !service.isPlayed;
    ended();
  });
  void upload(call, cell, service);
  if (cell.ending.by === 'cancel') void service.reached.then(() => call.cancel());
  await hasEnded;
  if (isTooEarly) return undefined;
  // An event too many, or one after the status, is seen too.
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  await service.settle();
  const status = endedWith as unknown as grpc.StatusObject;
  return {
    code: grpc.status[status.code] ?? String(status.code),
    details: normalise(String(status.details)),
    executions: service.executions,
    events,
    header,
    trailer: status.metadata.get('x-trailer').length > 0,
    peer: /:\d+$/.test(call.getPeer()) ? 'known' : 'unknown',
  };
}

function begin(
  client: PaymentsClient,
  { kind }: Cell,
  options: grpc.CallOptions,
  callback: (error: grpc.ServiceError | null) => void,
): Stream {
  const metadata = new grpc.Metadata();
  switch (kind) {
    case 'unary':
      return client.charge({ order: 'o-1' }, metadata, options, callback) as unknown as Stream;
    case 'client streaming':
      return client.upload(metadata, options, callback) as unknown as Stream;
    case 'server streaming':
      return client.watch({ count: 3 }, metadata, options) as unknown as Stream;
    case 'bidi':
      return client.converse(metadata, options) as unknown as Stream;
  }
}

/** Two messages; where the ending comes amid them, the second follows when it has come. */
async function upload(call: Stream, { kind, position, ending }: Cell, service: FaultService): Promise<void> {
  if (kind !== 'client streaming' && kind !== 'bidi') return;
  call.write({ order: 'o-1' });
  if (position === 'during the upload' && ending.by === 'server') await service.ended;
  call.write({ order: 'o-2' });
  call.end();
}

function normalise(details: string): string {
  return (
    details
      .replace(/^Deadline exceeded after .*$/, 'Deadline exceeded')
      // It depends on whether grpc-js or Node notices first.
      .replace(/^(read ECONNRESET|Connection dropped)$/, 'the connection broke')
      .replace(/\b\d+\.\d+\.\d+\.\d+:\d+\b/g, 'ADDRESS')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
  );
}
