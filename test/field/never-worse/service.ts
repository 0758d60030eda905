import * as grpc from '@grpc/grpc-js';

const bytes = (message: Buffer): Buffer => message;

function method<Q extends boolean, R extends boolean>(name: string, requestStream: Q, responseStream: R) {
  return {
    path: `/field.NeverWorse/${name}`,
    requestStream,
    responseStream,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
}

export const DEFINITION = {
  /** Answers after 3 ms. */
  get: method('Get', false, false),
  /** Answers after 600 ms. */
  report: method('Report', false, false),
  /** Answers after 300 ms where the request says `NEWS`; else it has nothing to say. */
  poll: method('Poll', false, false),
  /** Never says anything. */
  subscribe: method('Subscribe', false, true),
  /** Sends ten messages, one every 20 ms. */
  chat: method('Chat', false, true),
  /** Reads all that is sent, and answers after 3 ms. */
  upload: method('Upload', true, false),
};
export type MethodName = keyof typeof DEFINITION;

export const NEWS: Buffer = Buffer.from('news');
export const NO_NEWS: Buffer = Buffer.alloc(0);

/** Who makes a call: servers count the calls of each client apart. */
export const CLIENT_KEY = 'x-client';

export const NeverWorseClient: grpc.ServiceClientConstructor = grpc.makeGenericClientConstructor(
  DEFINITION,
  'field.NeverWorse',
);

/** What an instance does with calls that begin from now on. */
export type Behaviour =
  | { readonly does: 'serve' }
  /** No call is answered; connections are as before. */
  | { readonly does: 'hang' }
  /** Whatever takes time takes so many times longer. */
  | { readonly does: 'slow'; readonly factor: number }
  /** Such a share of the calls fails at once. */
  | { readonly does: 'fail'; readonly share: number; readonly code: grpc.status }
  /** Each client is served so many calls a second, and up to `burst` at once; the others end RESOURCE_EXHAUSTED. */
  | { readonly does: 'shed'; readonly perSecond: number; readonly burst: number };

export interface Port {
  readonly direct: number;
  /** Leads to the same instance through a relay, which can forget its connections. */
  readonly relayed: number;
}

/** Calls begun since it was asked last: at each instance, by each client, of each method. */
export type Counts = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>;

export type ToInstances = { readonly id: number } & (
  | { readonly listen: readonly number[] }
  | { readonly behave: Behaviour; readonly names: readonly string[] }
  | { readonly stallMs: number }
  | { readonly forget: true }
  | { readonly count: true }
);
export type FromInstances =
  | { readonly loaded: true }
  | { readonly id: number; readonly ports?: readonly Port[]; readonly counts?: Counts };
