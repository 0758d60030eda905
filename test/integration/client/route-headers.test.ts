import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createTestClient } from '../../../src/testing';
import { closeAfterEach } from '../../support/closers';
import { Payments, type PaymentsClient, paymentsClient } from '../../support/payments';

const closing = closeAfterEach();
const KINDS = ['charge', 'watch', 'upload', 'converse'] as const;
type Kind = (typeof KINDS)[number];

interface Answer {
  readonly code: number;
  readonly initial: grpc.Metadata | undefined;
  readonly trailers: grpc.Metadata;
}

/** Answers all kinds with `x-old` in both kinds of metadata; `failing` attempts end before they say anything. */
async function startServer(): Promise<{ port: number; seen: grpc.Metadata[]; fail(times: number): void }> {
  const seen: grpc.Metadata[] = [];
  let failing = 0;
  const bothHave = (): grpc.Metadata => {
    const metadata = new grpc.Metadata();
    metadata.set('x-old', 'server');
    return metadata;
  };
  const interceptor: grpc.ServerInterceptor = (_, call) =>
    new grpc.ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            seen.push(metadata.clone());
            failing -= 1;
            const status = { code: grpc.status.UNAVAILABLE, details: 'as told', metadata: bothHave() };
            if (failing >= 0) call.sendStatus(status);
            else pass(metadata);
          },
        }),
    });
  const server = closing(new grpc.Server({ interceptors: [interceptor] }), (one) => one.forceShutdown());
  server.addService(Payments.service, {
    charge(call: grpc.ServerUnaryCall<object, object>, callback: grpc.sendUnaryData<object>) {
      call.sendMetadata(bothHave());
      callback(null, {}, bothHave());
    },
    watch(call: grpc.ServerWritableStream<object, object>) {
      call.sendMetadata(bothHave());
      call.write({});
      call.end(bothHave());
    },
    upload(call: grpc.ServerReadableStream<object, object>, callback: grpc.sendUnaryData<object>) {
      call.sendMetadata(bothHave());
      call.on('data', () => {});
      call.on('end', () => callback(null, {}, bothHave()));
    },
    converse(call: grpc.ServerDuplexStream<object, object>) {
      call.sendMetadata(bothHave());
      call.on('data', () => call.write({}));
      call.on('end', () => call.end(bothHave()));
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return {
    port,
    seen,
    fail: (times) => {
      failing = times;
    },
  };
}

function run(client: PaymentsClient, kind: Kind, metadata: grpc.Metadata): Promise<Answer> {
  return new Promise((resolve) => {
    let initial: grpc.Metadata | undefined;
    const ignore = (): void => {};
    const options = { deadline: Date.now() + 10_000 };
    const call = (kind === 'charge'
      ? client.charge({}, metadata, options, ignore)
      : kind === 'watch'
        ? client.watch({ count: 1 }, metadata, options)
        : kind === 'upload'
          ? client.upload(metadata, options, ignore)
          : client.converse(metadata, options)) as unknown as NodeJS.EventEmitter & {
      write(message: object): void;
      end(): void;
    };
    call.on('metadata', (received: grpc.Metadata) => {
      initial = received;
    });
    call.on('data', ignore);
    call.on('error', ignore);
    call.on('status', ({ code, metadata: trailers }: grpc.StatusObject) => resolve({ code, initial, trailers }));
    if (kind === 'upload' || kind === 'converse') {
      call.write({});
      call.end();
    }
  });
}

async function open(route: object, isChannelOfItsOwn = true) {
  const server = await startServer();
  const graylane = closing(
    createTestClient({
      policy: {
        schema: 1,
        service: 'payments',
        subsets: { all: {} },
        routes: [
          {
            name: 'lane',
            match: { labels: { 'x-lane': 'red' } },
            to: 'all',
            responseHeaders: { set: { 'x-wrong': '1' } },
          },
          { name: 'everyone', to: 'all', ...route },
        ],
      },
      instances: [{ address: '127.0.0.1', port: server.port }],
    }),
    (one) => one.close(),
  );
  const { channelFactoryOverride: _, ...plain } = graylane.clientOptions();
  const options = isChannelOfItsOwn ? graylane.clientOptions() : (plain as grpc.ClientOptions);
  const client = closing(paymentsClient(graylane.target('payments'), options), (one) => one.close());
  return { server, client, graylane };
}

const CHANGES = { set: { 'x-lane': 'red' }, add: { 'x-tag': 'b' }, remove: ['x-debug'] };

function callers(): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set('x-lane', 'blue');
  metadata.set('x-tag', 'a');
  metadata.set('x-debug', 'yes');
  return metadata;
}

function expectChangedOnce(seen: readonly grpc.Metadata[], attempts: number): void {
  expect(seen).toHaveLength(attempts);
  for (const metadata of seen) {
    expect(metadata.get('x-lane')).toEqual(['red']);
    expect(metadata.get('x-tag')).toEqual(['a, b']);
    expect(metadata.get('x-debug')).toEqual([]);
  }
}

describe('requestHeaders of a route', () => {
  it.each(KINDS)('%s: each attempt carries them once, the caller keeps his metadata and his route', async (kind) => {
    const { server, client } = await open({
      requestHeaders: CHANGES,
      retry: { maxAttempts: 3 },
      retryBudget: undefined,
    });
    const metadata = callers();
    for (let call = 0; call < 2; call += 1) {
      const answer = await run(client, kind, metadata);
      expect(answer.code).toBe(grpc.status.OK);
      // Routed by what the caller sent: the first route would say so.
      expect(answer.initial?.get('x-wrong')).toEqual([]);
    }
    expectChangedOnce(server.seen, 2);
    expect(metadata.getMap()).toEqual(callers().getMap());
  });

  it.each(KINDS)('%s: retries carry them, too', async (kind) => {
    const { server, client } = await open({ requestHeaders: CHANGES, retry: { maxAttempts: 3, initialBackoffMs: 1 } });
    server.fail(2);
    expect((await run(client, kind, callers())).code).toBe(grpc.status.OK);
    expectChangedOnce(server.seen, 3);
  });

  it('hedges carry them, too', async () => {
    const hedging = { delayMs: 0, maxAttempts: 3, nonFatalStatusCodes: ['UNAVAILABLE'] };
    const { server, client } = await open({ requestHeaders: CHANGES, hedging });
    server.fail(2);
    expect((await run(client, 'charge', callers())).code).toBe(grpc.status.OK);
    await expect.poll(() => server.seen.length).toBe(3);
    expectChangedOnce(server.seen, 3);
  });

  it("hold for calls through grpc-js' own channel", async () => {
    const { server, client } = await open({ requestHeaders: CHANGES }, false);
    expect((await run(client, 'charge', callers())).code).toBe(grpc.status.OK);
    expectChangedOnce(server.seen, 1);
  });
});

const RESPONSE = { set: { 'x-served': 'lane' }, add: { 'x-more': '1' }, remove: ['x-old'] };

describe('responseHeaders of a route', () => {
  const cases = KINDS.flatMap((kind) => [[kind, true] as const, [kind, false] as const]);

  it.each(cases)(
    '%s: initial metadata is changed, of the trailers what is removed (own channel: %s)',
    async (kind, own) => {
      const { client } = await open({ responseHeaders: RESPONSE }, own);
      for (let call = 0; call < 2; call += 1) {
        const { code, initial, trailers } = await run(client, kind, new grpc.Metadata());
        expect(code).toBe(grpc.status.OK);
        expect(initial?.get('x-served')).toEqual(['lane']);
        expect(initial?.get('x-more')).toEqual(['1']);
        expect([initial?.get('x-old'), trailers.get('x-old')]).toEqual([[], []]);
        expect(trailers.get('x-served')).toEqual([]);
      }
    },
  );

  it.each(KINDS)('%s: a call that fails before an answer has them in its trailers', async (kind) => {
    const { client, server } = await open({ responseHeaders: RESPONSE });
    server.fail(1);
    const { code, initial, trailers } = await run(client, kind, new grpc.Metadata());
    expect([code, initial]).toEqual([grpc.status.UNAVAILABLE, undefined]);
    expect(trailers.get('x-served')).toEqual(['lane']);
    expect(trailers.get('x-old')).toEqual([]);
  });

  it('leaves calls of other routes alone', async () => {
    const { client } = await open({});
    const { initial, trailers } = await run(client, 'charge', new grpc.Metadata());
    expect(initial?.get('x-old')).toEqual(['server']);
    expect(trailers.get('x-old')).toEqual(['server']);
  });
});
