import * as grpc from '@grpc/grpc-js';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../../src/index';
import { type Closing, closeAfterEach } from '../../../support/closers';
import { untilConnected } from '../../../support/until-ready';
import { type Answer, type RawServer, SERVING, startRawServer } from './raw-server';

/** A short cycle: a breaker that opened is half-open after 100 ms, and after 200 ms once a probe has failed. */
const QUICK = { resetTimeoutMs: 100, maxResetTimeoutMs: 400 } as const;
const CALL = '/x.S/Call';
const RETRY = { maxAttempts: 2, retryableStatusCodes: ['UNAVAILABLE'] } as const;

export type CallName = 'unary' | 'upload' | 'watch' | 'converse';
export const STREAMS: readonly CallName[] = ['upload', 'watch', 'converse'];

export interface Ended {
  /** -1: it went well. */
  readonly code: number;
  readonly attempts: number;
}

export interface World {
  readonly graylane: Graylane;
  readonly client: grpc.Client;
  /** The one that falls ill, and another that is always well. */
  readonly ill: RawServer;
  readonly well: RawServer;
  call(name?: CallName, options?: { readonly deadlineMs?: number; readonly bytes?: number }): Promise<Ended>;
  /** Calls one after another until it is so. */
  callUntil(
    isSo: () => boolean,
    name?: CallName,
    options?: { readonly deadlineMs?: number },
  ): Promise<readonly Ended[]>;
  breaker(): { readonly state: string; readonly isDoubtful: boolean; readonly silentFailures: number } | undefined;
  /** Times at which the breaker of the ill one turned so. */
  readonly turned: { readonly event: string; readonly atMs: number }[];
}

export interface WorldOptions {
  readonly health?: Answer;
  readonly policy?: Omit<PolicyDocument, 'schema' | 'service'>;
  readonly clientOptions?: grpc.ClientOptions;
}

export function worlds(closing: Closing = closeAfterEach()): (options?: WorldOptions) => Promise<World> {
  return async ({ health = SERVING, policy = {}, clientOptions = {} } = {}) => {
    const [ill, well] = await Promise.all([startRawServer(health), startRawServer(health)]);
    for (const each of [ill, well]) closing(each, (one) => one.stop());
    const instances = [ill, well].map(({ port }, index) => ({ id: `i${index}`, address: '127.0.0.1', port }));
    const document = { schema: 1, service: 'payments', breaker: QUICK, retry: RETRY, ...policy } as PolicyDocument;
    const graylane = closing(
      createGraylane({ instances: { payments: instances }, policies: { payments: document } }),
      (one) => one.close(),
    );
    const client = closing(
      new grpc.Client(
        graylane.target('payments'),
        grpc.credentials.createInsecure(),
        graylane.clientOptions(clientOptions),
      ),
      (one) => one.close(),
    );
    await graylane.ready('payments');
    client.getChannel().getConnectivityState(true);
    await untilConnected(graylane);
    const turned: { event: string; atMs: number }[] = [];
    graylane.breakers.subscribe(({ key, event }) => {
      if (key.endsWith(`:${ill.port}`)) turned.push({ event, atMs: performance.now() });
    });
    const call: World['call'] = (name = 'unary', options = {}) => make(graylane, client, name, options);
    return {
      graylane,
      client,
      ill,
      well,
      turned,
      call,
      callUntil: async (isSo, name, options) => {
        const ended: Ended[] = [];
        const giveUpAtMs = performance.now() + 15_000;
        while (!isSo()) {
          ended.push(await call(name, options));
          if (performance.now() > giveUpAtMs) throw new Error(`not so after ${ended.length} calls`);
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        return ended;
      },
      breaker: () => graylane.breakers.list().find(({ key }) => key.endsWith(`:${ill.port}`)),
    };
  };
}

export async function until(isSo: () => boolean): Promise<void> {
  const giveUpAtMs = performance.now() + 15_000;
  while (!isSo()) {
    if (performance.now() > giveUpAtMs) throw new Error('it did not come about');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function make(
  graylane: Graylane,
  client: grpc.Client,
  name: CallName,
  { deadlineMs = 5_000, bytes = 1 }: { readonly deadlineMs?: number; readonly bytes?: number },
): Promise<Ended> {
  let attempts = 0;
  const observe = (report: { readonly attempts: readonly unknown[] }): void => {
    attempts = report.attempts.length;
  };
  const id = (bytes: Buffer): Buffer => bytes;
  const request = Buffer.alloc(bytes);
  const options = { deadline: Date.now() + deadlineMs };
  const path = `${CALL}${name}`;
  return new Promise((resolve) => {
    const done = (code: number): void => void setImmediate(() => resolve({ code: code === 0 ? -1 : code, attempts }));
    const ended = (error: grpc.ServiceError | null): void => done(error?.code ?? 0);
    graylane.with({ observe }, () => {
      if (name === 'unary') client.makeUnaryRequest(path, id, id, request, options, ended);
      else if (name === 'upload') client.makeClientStreamRequest(path, id, id, options, ended).end(request);
      else if (name === 'watch') {
        listen(client.makeServerStreamRequest(path, id, id, request, options), done);
      } else {
        const stream = client.makeBidiStreamRequest(path, id, id, options);
        listen(stream, done);
        stream.end(request);
      }
    });
  });
}

function listen(stream: grpc.ClientReadableStream<Buffer>, done: (code: number) => void): void {
  stream.on('error', () => undefined);
  stream.on('data', () => undefined);
  stream.on('status', ({ code }: grpc.StatusObject) => done(code));
}
