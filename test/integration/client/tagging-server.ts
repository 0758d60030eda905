import * as grpc from '@grpc/grpc-js';
import { Payments } from '../../support/payments';

/** What the server does with the first attempt of each call. Later ones are served. */
type FirstAttempt = 'serve' | 'fail' | 'hold';

/** How the handlers end a call, as its `x-end` says: with OK, with NOT_FOUND, or not at all. */
export type Ending = 'ok' | 'refuse' | 'hold';

export interface TaggingServer {
  readonly port: number;
  /** Of each call, the label that it should have carried (`x-want`) and the one it did carry (`x-tag`), where they differ. */
  readonly wrong: readonly string[];
  readonly calls: number;
  first(what: FirstAttempt): void;
  stop(): void;
}

interface Call {
  readonly metadata: grpc.Metadata;
  sendMetadata(metadata: grpc.Metadata): void;
}

const REFUSED = { code: grpc.status.NOT_FOUND, details: 'refused' };

/** A server of all four kinds that answers as each call asks, and compares what the calls carry with what they should. */
export async function startTaggingServer(port = 0): Promise<TaggingServer> {
  const wrong: string[] = [];
  let calls = 0;
  let firstAttempt: FirstAttempt = 'serve';
  const one = (metadata: grpc.Metadata, key: string): string => String(metadata.get(key)[0] ?? '');
  const begin = ({ metadata, sendMetadata }: Call, call: Call): Ending => {
    calls += 1;
    const carried = [one(metadata, 'x-tag'), one(metadata, 'traceparent').split('-')[1] ?? ''];
    const wanted = [one(metadata, 'x-want'), one(metadata, 'x-want-trace')];
    for (const [index, want] of wanted.entries()) {
      if (want !== '' && want !== carried[index]) wrong.push(`${want} went out as ${carried[index]}`);
    }
    sendMetadata.call(call, new grpc.Metadata());
    return one(metadata, 'x-end') as Ending;
  };
  const interceptor: grpc.ServerInterceptor = (_method, call) =>
    new grpc.ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            const isFirst = metadata.get('grpc-previous-rpc-attempts').length === 0;
            if (!isFirst || firstAttempt === 'serve') pass(metadata);
            else if (firstAttempt === 'fail') call.sendStatus({ code: grpc.status.UNAVAILABLE, details: 'as told' });
          },
        }),
    });
  const server = new grpc.Server({ interceptors: [interceptor], 'grpc.max_concurrent_streams': 10_000 });
  server.addService(Payments.service, {
    charge(call: grpc.ServerUnaryCall<object, object>, callback: grpc.sendUnaryData<object>) {
      const ending = begin(call, call);
      if (ending === 'refuse') callback(REFUSED);
      else if (ending !== 'hold') callback(null, { order: 'o' });
    },
    watch(call: grpc.ServerWritableStream<{ count: number }, object>) {
      const ending = begin(call, call);
      for (let sent = 0; sent < call.request.count; sent += 1) call.write({ order: String(sent) });
      if (ending === 'refuse') call.emit('error', REFUSED);
      else if (ending !== 'hold') call.end();
    },
    upload(call: grpc.ServerReadableStream<object, object>, callback: grpc.sendUnaryData<object>) {
      const ending = begin(call, call);
      let count = 0;
      call.on('data', () => {
        count += 1;
      });
      call.on('end', () => {
        if (ending === 'refuse') callback(REFUSED);
        else if (ending !== 'hold') callback(null, { count });
      });
    },
    converse(call: grpc.ServerDuplexStream<object, object>) {
      const ending = begin(call, call);
      call.on('data', () => call.write({ order: 'o' }));
      call.on('end', () => {
        if (ending === 'refuse') call.emit('error', REFUSED);
        else if (ending !== 'hold') call.end();
      });
    },
  });
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, boundPort) =>
      error === null ? resolve(boundPort) : reject(error),
    ),
  );
  return {
    port: bound,
    wrong,
    get calls() {
      return calls;
    },
    first: (what) => {
      firstAttempt = what;
    },
    stop: () => server.forceShutdown(),
  };
}
