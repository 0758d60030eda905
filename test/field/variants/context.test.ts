import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { finished, pipeline, Writable } from 'node:stream';
import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { closeAfterEach } from '../../support/closers';
import { untilReady } from '../../support/until-ready';
import { type Client, type ClientCall, openClient } from './caller';
import {
  DEFINITION,
  failWith,
  type Handler,
  hasOneResponse,
  hasUpload,
  KINDS,
  type Kind,
  startService,
} from './service';

/** All that runs of an application's because of a call, beside the events that callers name (caller-context.test.ts). */
const closing = closeAfterEach();
const store = new AsyncLocalStorage<string>();

type Note = (what: string) => void;

/** Says whose it is: the answer's bytes carry the caller's name, for those who have nothing else. */
const named: Handler = (call, answer) => {
  let name = call.request;
  const end = (): void => {
    const who = String(name).split('/')[0] ?? '';
    if (who.includes('refused')) failWith({ code: 9, details: 'as told' })(call, answer);
    else if (answer !== undefined) answer(null, Buffer.from(`${who}/`));
    else {
      for (let sent = 0; sent < 5; sent += 1) call.write(Buffer.from(`${who}/`));
      call.end();
    }
  };
  if (name !== undefined) {
    end();
    return;
  }
  call.on('data', (message: Buffer) => {
    name ??= message;
  });
  call.on('end', end);
  call.on('error', () => {});
};

/** How an application reads a stream of responses. */
const READERS: Readonly<Record<string, (call: ClientCall, note: Note) => void>> = {
  events: (call, note) => call.on('data', () => note('data')),
  readable: (call, note) =>
    call.on('readable', () => {
      note('readable');
      while (call.read() !== null);
    }),
  'for await': (call, note) => {
    const read = async (): Promise<void> => {
      for await (const _ of call) note('item');
    };
    read().then(
      () => note('loop'),
      () => note('loop that failed'),
    );
  },
  pipeline: (call, note) => {
    const sink = new Writable({
      objectMode: true,
      write: (_message, _encoding, done) => {
        note('write of the sink');
        done();
      },
    });
    pipeline(call, sink, () => note('pipeline'));
  },
  finished: (call, note) => {
    call.resume();
    finished(call, () => note('finished'));
  },
};

interface World {
  readonly client: Client;
  readonly wrong: Set<string>;
  note(caller: string, what: string): void;
  readonly count: () => number;
}

async function open(way: 'clientOptions()' | 'channel()', isCold: boolean): Promise<World> {
  const wrong = new Set<string>();
  let count = 0;
  const note = (caller: string, what: string): void => {
    count += 1;
    const found = store.getStore();
    if (found !== caller) wrong.add(`${what} of ${caller} as ${found}`);
  };
  const service = closing(await startService({}), (one) => one.close());
  service.handler = named;
  const interceptor: grpc.Interceptor = (options, next) => {
    const caller = store.getStore() ?? 'nobody';
    return new grpc.InterceptingCall(next(options), {
      start: (metadata, _, pass) => {
        note(caller, 'start of the interceptor');
        pass(metadata, {
          onReceiveMetadata: (received, hand) => {
            note(caller, 'onReceiveMetadata');
            hand(received);
          },
          onReceiveMessage: (message, hand) => {
            note(caller, 'onReceiveMessage');
            hand(message);
          },
          onReceiveStatus: (status, hand) => {
            note(caller, 'onReceiveStatus');
            hand(status);
          },
        });
      },
      sendMessage: (message, pass) => {
        note(caller, 'sendMessage');
        pass(message);
      },
      halfClose: (pass) => {
        note(caller, 'halfClose');
        pass();
      },
    });
  };
  const readName = (bytes: Buffer): Buffer => {
    note(String(bytes).split('/')[0] ?? '', 'deserializer');
    return bytes;
  };
  const writeName = (message: Buffer): Buffer => {
    note(String(message).split('/')[0] ?? '', 'serializer');
    return message;
  };
  const codec = { requestSerialize: writeName, responseDeserialize: readName };
  const definition = Object.fromEntries(KINDS.map((kind) => [kind, { ...DEFINITION[kind], ...codec }]));
  const opened = await store.run('opener', async () => {
    const one = openClient(way, service, { isRetried: true, options: { interceptors: [interceptor] }, definition });
    if (!isCold) await untilReady(one.client);
    return one;
  });
  closing(opened, (one) => one.close());
  return { client: opened.client, wrong, note, count: () => count };
}

/** Makes a call and resolves when it has ended. */
function call(
  { client, note: noteOf }: World,
  kind: Kind,
  caller: string,
  reader: keyof typeof READERS,
): Promise<void> {
  const note: Note = (what) => noteOf(caller, what);
  return new Promise((resolve) => {
    const credentials = grpc.credentials.createFromMetadataGenerator((_, callback) => {
      note('credentials');
      setImmediate(() => callback(null, new grpc.Metadata()));
    });
    const options: grpc.CallOptions = {
      deadline: Date.now() + (caller.includes('late') ? 3 : 10_000),
      credentials,
    };
    const message = Buffer.from(`${caller}/`);
    const hasCallback = hasOneResponse(kind);
    const made = client[kind](
      ...(hasUpload(kind) ? [] : [message]),
      new grpc.Metadata(),
      options,
      ...(hasCallback ? [() => note('callback')] : []),
    );
    const ofStreams = hasCallback ? [] : ['end', 'pause', 'resume', 'close'];
    for (const event of [...ofStreams, ...(hasUpload(kind) ? ['finish', 'drain', 'close'] : [])]) {
      made.on(event, () => note(event));
    }
    made.on('error', () => note('error'));
    once(made, 'status').then(
      () => note('once'),
      () => {},
    );
    made.on('status', () => {
      queueMicrotask(() => note('microtask of status'));
      process.nextTick(() => note('tick of status'));
      setTimeout(resolve, 30);
    });
    if (!hasCallback) (READERS[reader] as (typeof READERS)[string])(made, note);
    if (hasUpload(kind)) {
      for (let sent = 0; sent < 3; sent += 1) made.write(message, () => note('written'));
      made.end();
    }
    if (caller.includes('given up')) setTimeout(() => store.run('another', () => made.cancel()), 1);
  });
}

const ENDS = ['answered', 'refused', 'given up', 'late'];

describe.each(['clientOptions()', 'channel()'] as const)('what an application runs for a call, by %s', (way) => {
  it.each([false, true])('runs in the context of its caller; before anything is connected: %s', async (isCold) => {
    const world = await open(way, isCold);
    const calls = KINDS.flatMap((kind) =>
      ENDS.flatMap((end) =>
        Object.keys(READERS).flatMap((reader) =>
          [1, 2, 3].map((number) => {
            const caller = `${kind} ${end} ${reader} ${number}`;
            return store.run(caller, () => call(world, kind, caller, reader));
          }),
        ),
      ),
    );
    await Promise.all(calls);
    expect([...world.wrong]).toEqual([]);
    expect(world.count()).toBeGreaterThan(10 * calls.length);
  });
});
