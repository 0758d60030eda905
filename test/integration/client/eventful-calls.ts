import * as grpc from '@grpc/grpc-js';
import { createClientFactory, Metadata } from 'nice-grpc';
import { Payments, type PaymentsClient } from '../../support/payments';
import type { Ending } from './tagging-server';

/** Begins one call and notes each thing that it hears of it; `done` after the last. */
type Begin = (options: BeginOptions) => void;

export interface BeginOptions {
  readonly ending: Ending | 'deadline' | 'cancel';
  note(event: string): void;
  done(): void;
}

/** A kind of call: how it is made, and what is to be heard of it when it ends well and when it does not. */
export interface EventfulKind {
  readonly begin: Begin;
  readonly events: Readonly<Record<'ok' | 'failed', readonly string[]>>;
}

/** More than a writable stream of grpc-js takes before it says to wait. */
const MESSAGES = 20;
/** Of calls that the server does not end. */
const SOON_MS = 100;

function metadataFor(ending: BeginOptions['ending']): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set('x-end', ending === 'deadline' || ending === 'cancel' ? 'hold' : ending);
  return metadata;
}

function optionsFor(ending: BeginOptions['ending']): grpc.CallOptions {
  return { deadline: Date.now() + (ending === 'deadline' ? SOON_MS : 20_000) };
}

type Emitter = Pick<NodeJS.EventEmitter, 'on'>;

function listen(call: object, events: readonly string[], note: (event: string) => void): void {
  for (const event of events) (call as Emitter).on(event, () => note(event));
}

/** Ends when its status is known, and for those with a callback or an end, when that has come too. */
function afterBoth(done: () => void): () => void {
  let left = 2;
  return () => {
    left -= 1;
    if (left === 0) done();
  };
}

function cancelSoon(ending: BeginOptions['ending'], call: { cancel(): void }): void {
  if (ending === 'cancel') setTimeout(() => call.cancel(), SOON_MS);
}

function writeAll(call: grpc.ClientWritableStream<object> | grpc.ClientDuplexStream<object, object>, note: Note): void {
  for (let sent = 0; sent < MESSAGES; sent += 1) call.write({ order: 'o' }, () => note('written'));
  call.end();
}

type Note = (event: string) => void;

/** The four kinds as clients of grpc-js make them: with callbacks and events. */
export function grpcJsKinds(client: PaymentsClient): Readonly<Record<string, EventfulKind>> {
  const make = client as unknown as Record<string, (...args: unknown[]) => grpc.ClientDuplexStream<object, object>>;
  const begin = (method: string, ...args: unknown[]): grpc.ClientDuplexStream<object, object> => {
    const call = make[method]?.apply(client, args);
    if (call === undefined) throw new Error(method);
    return call;
  };
  return {
    unary: {
      begin: ({ ending, note, done }) => {
        const last = afterBoth(done);
        const call = begin('charge', {}, metadataFor(ending), optionsFor(ending), () => {
          note('callback');
          last();
        });
        listen(call, ['metadata', 'status'], note);
        call.on('status', last);
        cancelSoon(ending, call);
      },
      events: { ok: ['metadata', 'callback', 'status'], failed: ['callback', 'status'] },
    },
    'server stream': {
      begin: ({ ending, note, done }) => {
        const last = afterBoth(done);
        const call = begin('watch', { count: 3 }, metadataFor(ending), optionsFor(ending));
        listen(call, ['metadata', 'data', 'end', 'status', 'error'], note);
        call.on('status', last);
        call.on(ending === 'ok' ? 'end' : 'error', last);
        cancelSoon(ending, call);
      },
      events: { ok: ['metadata', 'data', 'end', 'status'], failed: ['error', 'status'] },
    },
    'client stream': {
      begin: ({ ending, note, done }) => {
        const last = afterBoth(done);
        const call = begin('upload', metadataFor(ending), optionsFor(ending), () => {
          note('callback');
          last();
        });
        listen(call, ['metadata', 'drain', 'status'], note);
        call.on('status', last);
        cancelSoon(ending, call);
        writeAll(call, note);
      },
      events: { ok: ['metadata', 'written', 'callback', 'status'], failed: ['callback', 'status'] },
    },
    bidi: {
      begin: ({ ending, note, done }) => {
        const last = afterBoth(done);
        const call = begin('converse', metadataFor(ending), optionsFor(ending));
        listen(call, ['metadata', 'data', 'drain', 'end', 'status', 'error'], note);
        call.on('status', last);
        call.on(ending === 'ok' ? 'end' : 'error', last);
        cancelSoon(ending, call);
        writeAll(call, note);
      },
      events: { ok: ['metadata', 'written', 'data', 'end', 'status'], failed: ['error', 'status'] },
    },
  };
}

interface NiceOptions {
  readonly metadata: Metadata;
  readonly signal: AbortSignal;
  onHeader(): void;
  onTrailer(): void;
}

interface NicePayments {
  Charge(request: object, options: NiceOptions): Promise<object>;
  Watch(request: object, options: NiceOptions): AsyncIterable<object>;
  Upload(requests: AsyncIterable<object>, options: NiceOptions): Promise<object>;
  Converse(requests: AsyncIterable<object>, options: NiceOptions): AsyncIterable<object>;
}

/** The four kinds as nice-grpc makes them: with promises and async iterables. */
export function niceGrpcKinds(channel: grpc.Channel): Readonly<Record<string, EventfulKind>> {
  const client = createClientFactory().create(Payments.service as never, channel) as unknown as NicePayments;
  const promised = (run: (options: NiceOptions, note: Note) => Promise<unknown>): Begin => {
    return ({ ending, note, done }) => {
      const end = ending === 'deadline' || ending === 'cancel' ? 'hold' : ending;
      const controller = new AbortController();
      const stop = (): void => controller.abort();
      if (end === 'hold') setTimeout(stop, SOON_MS);
      const options = {
        metadata: Metadata({ 'x-end': end }),
        signal: controller.signal,
        onHeader: () => note('metadata'),
        onTrailer: () => note('status'),
      };
      run(options, note)
        .then(
          () => note('resolved'),
          () => note('rejected'),
        )
        .then(done);
    };
  };
  async function* requests(note: Note): AsyncGenerator<object> {
    for (let sent = 0; sent < MESSAGES; sent += 1) {
      note('asked');
      yield { order: 'o' };
    }
  }
  const drain = async (replies: AsyncIterable<object>, note: Note): Promise<void> => {
    for await (const _ of replies) note('item');
  };
  const events = (...some: readonly string[]): EventfulKind['events'] => ({
    ok: [...some, 'metadata', 'status', 'resolved'],
    failed: ['rejected'],
  });
  return {
    unary: { begin: promised((options) => client.Charge({}, options)), events: events() },
    'server stream': {
      begin: promised((options, note) => drain(client.Watch({ count: 3 }, options), note)),
      events: events('item'),
    },
    'client stream': {
      begin: promised((options, note) => client.Upload(requests(note), options)),
      events: events('asked'),
    },
    bidi: {
      begin: promised((options, note) => drain(client.Converse(requests(note), options), note)),
      events: events('asked', 'item'),
    },
  };
}
