import * as grpc from '@grpc/grpc-js';
import { statusCodeOf } from '../../base/status-names';
import type { StatusName } from '../../policy/document';
import type { StaticInstance } from '../discovery/static-instance';

/**
 * Handles the calls of one method. Unary: returns a reply, or a promise of one; a thrown error with a `code` is sent as
 * it is. For the streaming kinds a handler of grpc-js.
 */
export type FakeHandler =
  // biome-ignore lint/suspicious/noExplicitAny: messages are the user's own, of any shape.
  ((request: any, metadata: grpc.Metadata) => unknown) | grpc.UntypedHandleCall;

/** The instance's tags, meta and so on, as policies see them. */
export type FakeServiceOptions = Omit<StaticInstance, 'address' | 'port'>;

/** A real gRPC server on a free port of loopback, for tests. */
export interface FakeService {
  /** For `instances` of a client. */
  readonly instance: StaticInstance;
  /** Unary calls that reached the server. */
  readonly calls: number;
  /** Unary calls end with this status from now on, until it is called without a code. */
  answerWith(code?: StatusName, options?: { readonly delayMs?: number }): void;
  /** At once; open calls end UNAVAILABLE. Idempotent. */
  stop(): void;
}

/**
 * Starts a real gRPC server on a free port of 127.0.0.1, with these handlers. `service` is a generated client's
 * `service`, or its constructor. Methods without a handler answer UNIMPLEMENTED.
 */
export async function fakeService(
  service: grpc.ServiceDefinition | { readonly service: grpc.ServiceDefinition },
  handlers: Readonly<Record<string, FakeHandler>>,
  options: FakeServiceOptions = {},
): Promise<FakeService> {
  const definition = isConstructor(service) ? service.service : service;
  let calls = 0;
  let behaviour: { readonly code: number | undefined; readonly delayMs: number } = { code: undefined, delayMs: 0 };
  const unary =
    (handler: FakeHandler) =>
    (call: grpc.ServerUnaryCall<unknown, unknown>, callback: grpc.sendUnaryData<unknown>): void => {
      calls += 1;
      const { code, delayMs } = behaviour;
      const answer = async (): Promise<void> => {
        if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
        if (code !== undefined) throw Object.assign(new Error('as the test says'), { code });
        callback(
          null,
          await (handler as (request: unknown, metadata: grpc.Metadata) => unknown)(call.request, call.metadata),
        );
      };
      answer().catch((error: Partial<grpc.StatusObject> & Error) =>
        callback({ code: grpc.status.UNKNOWN, details: error.message, ...error }),
      );
    };
  const server = new grpc.Server();
  const implementation = Object.entries(handlers).map(([name, handler]): [string, grpc.UntypedHandleCall] => {
    const method = Object.entries(definition).find(
      ([key, { originalName }]) => key === name || originalName === name,
    )?.[1];
    if (method === undefined)
      throw new Error(`handlers.${name}: unknown (expected: ${Object.keys(definition).join(', ')})`);
    const isUnary = !method.requestStream && !method.responseStream;
    return [name, isUnary ? unary(handler) : (handler as grpc.UntypedHandleCall)];
  });
  server.addService(definition, Object.fromEntries(implementation));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return {
    instance: { ...options, address: '127.0.0.1', port },
    get calls() {
      return calls;
    },
    answerWith: (code, { delayMs = 0 } = {}) => {
      behaviour = { code: code === undefined ? undefined : statusCodeOf(code), delayMs };
    },
    stop: () => server.forceShutdown(),
  };
}

function isConstructor(
  service: grpc.ServiceDefinition | { readonly service: grpc.ServiceDefinition },
): service is { readonly service: grpc.ServiceDefinition } {
  return typeof service === 'function';
}
