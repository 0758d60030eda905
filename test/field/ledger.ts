import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** A service whose server counts what it does, see fixtures/ledger.proto. */
const definition = loadSync(join(__dirname, 'fixtures', 'ledger.proto'), { defaults: true });
const loaded = grpc.loadPackageDefinition(definition) as unknown as {
  field: { v1: { Ledger: grpc.ServiceClientConstructor } };
};

export const Ledger: grpc.ServiceClientConstructor = loaded.field.v1.Ledger;

interface Entry {
  readonly id: string;
}

const METHODS = ['Record', 'RecordAgain', 'Read', 'RecordMany', 'RecordAndWatch', 'RecordAndTalk'] as const;
export type LedgerMethod = (typeof METHODS)[number];
/** One of each kind, none of which says that it may run again. */
export const UNMARKED: readonly LedgerMethod[] = ['Record', 'RecordMany', 'RecordAndWatch', 'RecordAndTalk'];

/** What the handler of every method does, after its call was counted. Resolves with undefined to answer. */
export type Work = (id: string) => Promise<Partial<grpc.StatusObject> | undefined>;

/** `count` is called before anything else, with the ID that the caller gave in the metadata key `x-id`. */
export function ledgerServer(
  count: (id: string, method: LedgerMethod, metadata: grpc.Metadata) => void,
  work: Work,
): grpc.Server {
  const server = new grpc.Server();
  const begin = (method: LedgerMethod, metadata: grpc.Metadata): Promise<Partial<grpc.StatusObject> | undefined> => {
    const id = String(metadata.get('x-id')[0] ?? '');
    count(id, method, metadata);
    return work(id);
  };
  const single =
    (method: LedgerMethod) =>
    async (
      call: grpc.ServerUnaryCall<Entry, Entry> | grpc.ServerReadableStream<Entry, Entry>,
      callback: grpc.sendUnaryData<Entry>,
    ) => {
      if (method === 'RecordMany') (call as grpc.ServerReadableStream<Entry, Entry>).resume();
      const failure = await begin(method, call.metadata);
      if (failure === undefined) callback(null, { id: 'done' });
      else callback(failure);
    };
  const many =
    (method: LedgerMethod) =>
    async (call: grpc.ServerWritableStream<Entry, Entry> | grpc.ServerDuplexStream<Entry, Entry>) => {
      if (method === 'RecordAndTalk') (call as grpc.ServerDuplexStream<Entry, Entry>).resume();
      const failure = await begin(method, call.metadata);
      if (failure === undefined) {
        call.write({ id: 'done' });
        call.end();
      } else {
        call.emit('error', failure);
      }
    };
  const handlers = Object.fromEntries(
    METHODS.map((method) => [
      method,
      method === 'RecordAndWatch' || method === 'RecordAndTalk' ? many(method) : single(method),
    ]),
  );
  server.addService(Ledger.service, handlers as grpc.UntypedServiceImplementation);
  return server;
}

/** Resolves with the status of the call, whatever it is. `begun` gets the call, to cancel it. */
export function callLedger(
  client: grpc.Client,
  method: LedgerMethod,
  id: string,
  deadlineMs = 20_000,
  labels: Readonly<Record<string, string>> = {},
  begun: (call: { cancel(): void }) => void = () => {},
): Promise<grpc.StatusObject> {
  const metadata = new grpc.Metadata();
  metadata.set('x-id', id);
  for (const [key, value] of Object.entries(labels)) metadata.set(key, value);
  const options: grpc.CallOptions = { deadline: Date.now() + deadlineMs };
  const stub = client as unknown as Record<LedgerMethod, (...args: unknown[]) => grpc.ClientDuplexStream<Entry, Entry>>;
  return new Promise((resolve) => {
    const ignore = (): void => {};
    const call =
      method === 'RecordMany'
        ? stub[method](metadata, options, ignore)
        : method === 'RecordAndTalk'
          ? stub[method](metadata, options)
          : method === 'RecordAndWatch'
            ? stub[method]({ id }, metadata, options)
            : stub[method]({ id }, metadata, options, ignore);
    call.on('status', resolve);
    call.on('error', ignore);
    begun(call);
    if (method === 'RecordAndWatch' || method === 'RecordAndTalk') call.resume();
    if (method === 'RecordMany' || method === 'RecordAndTalk') {
      call.write({ id });
      call.end();
    }
  });
}
