import * as grpc from '@grpc/grpc-js';
import { pause } from '../../support/closers';
import { begin, type Caller, type CallOptions, type ClientCall } from './caller';
import { DEFINITION, type Definition, echo, failWith, type Handler, hang, KINDS, type Kind } from './service';

/** One thing that callers or servers do, that has to look the same with Graylane as without. */
export interface Variant {
  readonly kinds?: readonly Kind[];
  /** The call is made before anything is known or connected. */
  readonly isCold?: boolean;
  /** Whether the server sees the call at all is a matter of microseconds. */
  readonly isRace?: boolean;
  readonly server?: grpc.ServerOptions;
  readonly client?: grpc.ClientOptions;
  readonly definition?: Partial<Definition>;
  readonly handler?: Handler;
  /** All that is compared, beside the number of executions. */
  readonly run: (caller: Caller) => Promise<unknown>;
  /** What the server got of each execution. */
  readonly received?: (metadata: grpc.Metadata) => unknown;
}

const UPLOADS: readonly Kind[] = ['upload', 'talk'];
const SHORT_MS = 300;

function one(options: () => CallOptions = () => ({})): Variant['run'] {
  return (caller) => begin(caller, options()).ended;
}

function soon(ms = SHORT_MS): grpc.CallOptions {
  return { deadline: Date.now() + ms };
}

const variants: Record<string, Variant> = {};

for (const moment of ['metadata', 'data', 'end', 'callback', 'status', 'error']) {
  variants[`cancelled from within "${moment}"`] = {
    run: one(() => ({ on: (event, call) => void (event === moment && call.cancel()) })),
  };
}
const MOMENTS: Readonly<Record<string, (run: () => void) => unknown>> = {
  'at once': (run) => run(),
  'in a microtask': queueMicrotask,
  'in the next tick': process.nextTick,
  'in the next turn': setImmediate,
};
for (const [when, defer] of Object.entries(MOMENTS)) {
  for (const isCold of [false, true]) {
    variants[`cancelled ${when}${isCold ? ', before anything is connected' : ''}`] = {
      isCold,
      isRace: true,
      run: async (caller) => {
        const { call, ended } = begin(caller);
        defer(() => call.cancel());
        return upToStatus(await ended);
      },
    };
  }
}

/** grpc-js may tell of metadata after the status. */
function upToStatus(heard: readonly string[]): readonly string[] {
  return heard.slice(0, heard.findIndex((event) => event.startsWith('status')) + 1);
}

const DEADLINES: Readonly<Record<string, () => grpc.Deadline>> = {
  'in the past': () => Date.now() - 1_000,
  0: () => 0,
  'a date in the past': () => new Date(Date.now() - 5),
  'a date ahead': () => new Date(Date.now() + 5_000),
  'without end': () => Number.POSITIVE_INFINITY,
};
for (const [name, deadlineOf] of Object.entries(DEADLINES)) {
  const run = one(() => ({ options: { deadline: deadlineOf() } }));
  variants[`deadline ${name}`] = { isRace: true, run };
}

for (const code of [0, 1, 4, 8, 13, 14, 16, 17, 99]) {
  variants[`the server says ${code}`] = { handler: failWith({ code, details: 'as told' }), run: one() };
}

const BINARY = [Buffer.of(0, 1, 255), Buffer.alloc(0), Buffer.from('abc')];
const hexOf = (metadata: grpc.Metadata, key: string): string[] =>
  metadata.get(key).map((value) => (value as Buffer).toString('hex'));
variants['binary and repeated metadata both ways'] = {
  received: (metadata) => [hexOf(metadata, 'x-in-bin'), metadata.get('x-in')],
  handler: (call, answer) => {
    const headers = new grpc.Metadata();
    const trailers = new grpc.Metadata();
    for (const value of call.metadata.get('x-in-bin')) headers.add('x-out-bin', value);
    for (const value of ['a', 'b']) trailers.add('x-out', value);
    trailers.add('x-end-bin', Buffer.of(0, 255));
    call.sendMetadata(headers);
    if (answer !== undefined) answer(null, Buffer.from('ok'), trailers);
    else {
      call.write(Buffer.from('ok'));
      call.end(trailers);
    }
  },
  run: async (caller) => {
    const metadata = new grpc.Metadata();
    for (const value of BINARY) metadata.add('x-in-bin', value);
    for (const value of ['a', 'b']) metadata.add('x-in', value);
    const seen: unknown[] = [];
    const on = (event: string, _: ClientCall, value: unknown): void => {
      if (event === 'metadata') seen.push(hexOf(value as grpc.Metadata, 'x-out-bin'));
      if (event !== 'status') return;
      const trailers = (value as grpc.StatusObject).metadata;
      seen.push(trailers.get('x-out'), hexOf(trailers, 'x-end-bin'));
    };
    return [await begin(caller, { metadata, on }).ended, seen];
  },
};
for (const isCold of [false, true]) {
  variants[`metadata changed after the start, and used twice${isCold ? ', while waiting' : ''}`] = {
    isCold,
    received: (metadata) => metadata.get('x-in'),
    run: async (caller) => {
      const metadata = new grpc.Metadata({ waitForReady: true });
      metadata.set('x-in', 'before');
      const calls = [begin(caller, { metadata }), begin(caller, { metadata })];
      metadata.set('x-in', 'after');
      const heard = await Promise.all(calls.map(({ ended }) => ended));
      const options = metadata.getOptions();
      return [heard, metadata.getMap(), options, Object.getOwnPropertySymbols(options).length];
    },
  };
}

const UNLIMITED = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
const MEGABYTES = Buffer.alloc(3_000_000, 65);
const sendMuch: Handler = (call, answer) => {
  if (call.request === undefined) call.resume();
  if (answer !== undefined) answer(null, Buffer.alloc(5_000_000, 66));
  else {
    call.write(Buffer.from('small'));
    call.write(Buffer.alloc(5_000_000, 66));
    call.end();
  }
};
Object.assign(variants, {
  'large messages': { client: UNLIMITED, server: UNLIMITED, run: one(() => ({ message: MEGABYTES })) },
  'an answer above the limit': { handler: sendMuch, run: one() },
  'a large answer': { client: UNLIMITED, handler: sendMuch, kinds: ['unary', 'watch'], run: one() },
  "a request above the client's limit": {
    client: { 'grpc.max_send_message_length': 3 },
    run: one(),
  },
  "a request above the server's limit": { server: { 'grpc.max_receive_message_length': 3 }, run: one() },
  'empty messages': { run: one(() => ({ message: Buffer.alloc(0) })) },
  'compressed requests': {
    client: { 'grpc.default_compression_algorithm': 2 },
    received: (metadata) => metadata.get('grpc-accept-encoding'),
    run: one(() => ({ message: Buffer.alloc(20_000, 65) })),
  },
  'compressed answers': { server: { 'grpc.default_compression_algorithm': 1 }, run: one() },
  'wait for ready': { isCold: true, run: one(() => ({ metadata: new grpc.Metadata({ waitForReady: true }) })) },
  'a serializer that throws': {
    definition: everyMethod({ requestSerialize: fault }),
    run: one(),
  },
  'a deserializer that throws': { definition: everyMethod({ responseDeserialize: fault }), run: one() },
  'a method that is not there': { definition: everyMethod({ path: '/test.Variants/none' }), run: one() },
  'further attempts, as servers see them': {
    handler: failWith({ code: 14, details: 'as told' }),
    received: (metadata) => metadata.get('grpc-previous-rpc-attempts'),
    run: one(),
  },
} satisfies Record<string, Variant>);

function fault(): never {
  throw new Error('fault of the application');
}

function everyMethod(part: Partial<grpc.MethodDefinition<Buffer, Buffer>>): Partial<Definition> {
  return Object.fromEntries(KINDS.map((kind) => [kind, { ...DEFINITION[kind], ...part }]));
}

type Generator = Parameters<typeof grpc.credentials.createFromMetadataGenerator>[0];
const token = (): grpc.Metadata => {
  const metadata = new grpc.Metadata();
  metadata.set('x-token', 'secret');
  return metadata;
};
const failing = (code?: unknown): Error => Object.assign(new Error('no token'), code === undefined ? {} : { code });
const GENERATORS: Readonly<Record<string, Generator>> = {
  'made at once': (_, callback) => callback(null, token()),
  'made late': (_, callback) => void setTimeout(() => callback(null, token()), 50),
  'made of the URL': ({ service_url: url }, callback) => {
    const metadata = new grpc.Metadata();
    metadata.set('x-token', typeof url);
    callback(null, metadata);
  },
  'never made': () => {},
  'that fail': (_, callback) => callback(failing()),
  'that fail late': (_, callback) => void setTimeout(() => callback(failing()), 30),
  'that fail with UNAVAILABLE': (_, callback) => callback(failing(14)),
  'that fail late with UNAVAILABLE': (_, callback) => void setTimeout(() => callback(failing(14)), 10),
  'that fail with PERMISSION_DENIED': (_, callback) => callback(failing(7)),
  'that fail with INVALID_ARGUMENT': (_, callback) => callback(failing(3)),
  'that fail with a code of Node': (_, callback) => callback(failing('ECONNREFUSED')),
};
for (const [name, generate] of Object.entries(GENERATORS)) {
  for (const handler of [echo, failWith({ code: 14, details: 'as told' })]) {
    for (const isCold of [false, true]) {
      const where = `${handler === echo ? '' : ', of a failing server'}${isCold ? ', while waiting' : ''}`;
      variants[`credentials ${name}${where}`] = {
        isCold,
        handler,
        received: (metadata) => metadata.get('x-token'),
        run: async (caller) => {
          let asked = 0;
          const credentials = grpc.credentials.createFromMetadataGenerator((...args) => {
            asked += 1;
            generate(...args);
          });
          const deadline = Date.now() + (generate === GENERATORS['never made'] ? 2 * SHORT_MS : 5_000);
          return [await begin(caller, { options: { deadline, credentials } }).ended, asked];
        },
      };
    }
  }
}
variants['credentials that fail once'] = {
  run: async (caller) => {
    let asked = 0;
    const credentials = grpc.credentials.createFromMetadataGenerator((_, callback) => {
      asked += 1;
      if (asked === 1) callback(failing(14));
      else callback(null, token());
    });
    return [await begin(caller, { options: { ...soon(5_000), credentials } }).ended, asked];
  },
};
variants['cancelled while credentials are made'] = {
  run: async (caller) => {
    const credentials = grpc.credentials.createFromMetadataGenerator(GENERATORS['made late'] as Generator);
    const { call, ended } = begin(caller, { options: { ...soon(5_000), credentials } });
    setTimeout(() => call.cancel(), 20);
    await pause(100);
    return await ended;
  },
};

/** Answers, or fails, when the first message has come: the rest is on its way. */
function early(end: Handler): Handler {
  return (call, answer) => {
    call.on('error', () => {});
    call.once('data', () => end(call, answer));
  };
}
const answerNow: Handler = (call, answer) => {
  if (answer !== undefined) answer(null, Buffer.from('early'));
  else {
    call.write(Buffer.from('early'));
    call.end();
  }
};
const writeOn: Variant['run'] = async (caller) => {
  const { call, ended } = begin(caller, { isOpen: true });
  call.write(Buffer.from('first'));
  await ended;
  call.write(Buffer.from('second'));
  call.end();
  await pause(30);
  return await ended;
};
const ENDS: Readonly<Record<string, Handler>> = {
  answers: answerNow,
  'fails with FAILED_PRECONDITION': failWith({ code: 9, details: 'as told' }),
  'fails with UNAVAILABLE': failWith({ code: 14, details: 'as told' }),
};
for (const [what, end] of Object.entries(ENDS)) {
  variants[`the server ${what} before the upload ends`] = { kinds: UPLOADS, handler: early(end), run: writeOn };
}
variants['an upload without a message'] = {
  kinds: UPLOADS,
  run: async (caller) => {
    const { call, ended } = begin(caller, { isOpen: true });
    call.end();
    return await ended;
  },
};

const late: Handler = (call, answer) => {
  if (call.request === undefined) call.resume();
  if (answer === undefined) call.write(Buffer.from('first'));
  setTimeout(() => {
    if (answer !== undefined) answer(null, Buffer.from('late'));
    else {
      call.write(Buffer.from('late'));
      call.end();
    }
  }, 80);
};
Object.assign(variants, {
  'the client is closed during the call': {
    handler: late,
    run: async (caller) => {
      const { ended } = begin(caller);
      await pause(30);
      caller.client.close();
      return await ended;
    },
  },
  'the client is closed at once': {
    run: async (caller) => {
      const { ended } = begin(caller);
      caller.client.close();
      return await ended;
    },
  },
  'the client is closed at once, before anything is connected': {
    isCold: true,
    isRace: true,
    run: async (caller) => {
      const { ended } = begin(caller, { options: soon() });
      caller.client.close();
      return await ended;
    },
  },
  'the client is closed from within a callback': {
    run: (caller) => begin(caller, { on: (event) => void (event === 'status' && caller.client.close()) }).ended,
  },
  'the peer, while the call is heard of': {
    run: async (caller) => {
      const peers: string[] = [];
      const on = (event: string, call: ClientCall): void => void peers.push(`${event} ${isAddress(call.getPeer())}`);
      const { ended } = begin(caller, { on });
      return [await ended, peers];
    },
  },
  'silence until the deadline': { handler: hang, run: one(() => ({ options: soon() })) },
} satisfies Record<string, Variant>);

function isAddress(peer: string): boolean {
  return /^127\.0\.0\.1:\d+$/.test(peer);
}

type Requester = Partial<grpc.Requester>;
const by =
  (requester: Requester): grpc.Interceptor =>
  (options, next) =>
    new grpc.InterceptingCall(next(options), requester);
const INTERCEPTORS: Readonly<Record<string, grpc.Interceptor>> = {
  'adds metadata': by({
    start: (metadata, listener, next) => {
      metadata.set('x-in', 'added');
      next(metadata, listener);
    },
  }),
  'starts late': by({ start: (metadata, listener, next) => void setTimeout(() => next(metadata, listener), 20) }),
  'sends late': by({ sendMessage: (message, next) => void setTimeout(() => next(message), 20) }),
  'ends late': by({ halfClose: (next) => void setTimeout(next, 20) }),
  'changes the status': by({
    start: (metadata, _, next) =>
      next(metadata, { onReceiveStatus: (status, pass) => pass({ ...status, code: 9, details: 'changed' }) }),
  }),
  throws: by({ start: fault }),
  'cannot be made': fault,
  'sets a deadline': (options, next) => new grpc.InterceptingCall(next({ ...options, ...soon() })),
  'cancels at the first metadata': (options, next) => {
    const call = new grpc.InterceptingCall(next(options), {
      start: (metadata, _, pass) =>
        pass(metadata, {
          onReceiveMetadata: (received, hand) => {
            call.cancelWithStatus(1, 'by the interceptor');
            hand(received);
          },
        }),
    });
    return call;
  },
};
for (const [name, interceptor] of Object.entries(INTERCEPTORS)) {
  variants[`an interceptor that ${name}`] = {
    client: { interceptors: [interceptor] },
    ...(name === 'sets a deadline' && { handler: hang }),
    received: (metadata) => metadata.get('x-in'),
    run: async (caller) => {
      try {
        return await begin(caller).ended;
      } catch (error) {
        return String(error);
      }
    },
  };
}
variants['an interceptor that makes a call of its own'] = {
  received: (metadata) => metadata.get('x-in'),
  run: (caller) => {
    const asking: grpc.Interceptor = (options, next) =>
      new grpc.InterceptingCall(next(options), {
        start: (metadata, listener, pass) => {
          const inner = new grpc.Metadata();
          inner.set('x-in', 'inner');
          caller.client.unary(Buffer.from('q'), inner, soon(5_000), (_: unknown, reply: Buffer) => {
            metadata.set('x-in', String(reply));
            pass(metadata, listener);
          });
        },
      });
    return begin(caller, { options: { ...soon(5_000), interceptors: [asking] } }).ended;
  },
};

export const VARIANTS: Readonly<Record<string, Variant>> = variants;
