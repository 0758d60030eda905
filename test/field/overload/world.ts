import * as grpc from '@grpc/grpc-js';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';
import { rawMethod } from '../../support/raw-method';
import { untilReady } from '../../support/until-ready';

const METHOD = rawMethod('/field.Work/Do');
const DEFINITION = { do: METHOD };
const WorkClient = grpc.makeGenericClientConstructor(DEFINITION, 'field.Work');

export interface Behaviour {
  /** Mean of an exponential distribution, or what each takes where `isEven`. */
  readonly takesMs: number;
  readonly isEven?: boolean;
  /** Works on at once; the rest is answered RESOURCE_EXHAUSTED. */
  readonly limit?: number;
  /** What is turned away is told to come back after so long, with UNAVAILABLE. */
  readonly pushbackMs?: number;
  /** Answers the next calls at once with this code, so many of them. */
  readonly failNext?: { readonly code: number; left: number };
}

export interface WorkServer {
  readonly port: number;
  behaviour: Behaviour;
  /** Attempts so far. */
  attempts: number;
}

/** Takes a call of grpc-js; a test that serves layers hands in its own. */
export type Handler = grpc.handleUnaryCall<Buffer, Buffer>;

export async function serve(
  handler: Handler,
  interceptors: grpc.ServerInterceptor[] = [],
): Promise<{ readonly port: number; stop(): void }> {
  const server = new grpc.Server({ interceptors });
  server.addService(DEFINITION, { do: handler });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, stop: () => server.forceShutdown() };
}

export function workServers(): (behaviours: readonly Behaviour[]) => Promise<WorkServer[]> {
  const closing = closeAfterEach();
  return (behaviours) =>
    Promise.all(
      behaviours.map(async (behaviour) => {
        let busy = 0;
        const handler: Handler = (_, callback) => {
          it.attempts += 1;
          const { takesMs, isEven, limit = Number.POSITIVE_INFINITY, pushbackMs, failNext } = it.behaviour;
          if (failNext !== undefined && failNext.left > 0) {
            failNext.left -= 1;
            callback({ code: failNext.code, details: 'as told' });
          } else if (busy >= limit) {
            callback(turnedAway(pushbackMs));
          } else {
            busy += 1;
            setTimeout(
              () => {
                busy -= 1;
                callback(null, Buffer.from('done'));
              },
              isEven === true ? takesMs : -Math.log(1 - Math.random()) * takesMs,
            );
          }
        };
        const { port, stop } = await serve(handler);
        const it: WorkServer = closing({ port, behaviour, attempts: 0 }, stop);
        return it;
      }),
    );
}

function turnedAway(pushbackMs: number | undefined): Partial<grpc.ServiceError> {
  if (pushbackMs === undefined) return { code: grpc.status.RESOURCE_EXHAUSTED, details: 'too much to do' };
  const metadata = new grpc.Metadata();
  metadata.set('grpc-retry-pushback-ms', String(pushbackMs));
  return { code: grpc.status.UNAVAILABLE, details: 'too much to do', metadata };
}

/** Makes one call; its code. */
export type Work = () => Promise<number>;

export interface GraylaneWork {
  readonly graylane: Graylane;
  readonly work: Work;
  /** Breakers that opened. */
  readonly opened: string[];
}

const QUIET = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export function graylaneWork(): (
  ports: readonly number[],
  policy?: Partial<PolicyDocument>,
  tags?: readonly string[],
) => Promise<GraylaneWork> {
  const closing = closeAfterEach();
  return async (ports, policy = {}, tags = []) => {
    const instances = ports.map((port, index) => ({
      id: `i${index}`,
      address: '127.0.0.1',
      port,
      tags: tags[index] === undefined ? [] : [tags[index]],
    }));
    const document = { schema: 1, service: 'work', ...policy } as PolicyDocument;
    const graylane = closing(
      createGraylane({ instances: { work: instances }, policies: { work: document }, logger: QUIET }),
      (one) => one.close(),
    );
    const client = closing(clientOf(graylane.target('work'), graylane.clientOptions()), (one) => one.close());
    await graylane.ready('work');
    const opened: string[] = [];
    graylane.breakers.subscribe(({ key, event }) => {
      if (event === 'open') opened.push(key);
    });
    await pause(100);
    return { graylane, work: workOf(client), opened };
  };
}

/** grpc-js alone, `round_robin`. */
export function plainWork(): (ports: readonly number[], retryableStatusCodes?: readonly string[]) => Promise<Work> {
  const closing = closeAfterEach();
  return async (ports, retryableStatusCodes = []) => {
    const retryPolicy = {
      maxAttempts: 2,
      initialBackoff: '0.02s',
      maxBackoff: '0.2s',
      backoffMultiplier: 2,
      retryableStatusCodes,
    };
    const config = {
      loadBalancingConfig: [{ round_robin: {} }],
      methodConfig: [{ name: [{}], ...(retryableStatusCodes.length === 0 ? {} : { retryPolicy }) }],
    };
    const target = `ipv4:${ports.map((port) => `127.0.0.1:${port}`).join(',')}`;
    const client = closing(clientOf(target, { 'grpc.service_config': JSON.stringify(config) }), (one) => one.close());
    await untilReady(client);
    return workOf(client);
  };
}

export function clientOf(target: string, options: grpc.ClientOptions): grpc.Client {
  return new WorkClient(target, grpc.credentials.createInsecure(), options) as unknown as grpc.Client;
}

export function workOf(client: grpc.Client): Work {
  return () =>
    new Promise((resolve) => {
      const options = { deadline: Date.now() + 30_000 };
      client.makeUnaryRequest(
        METHOD.path,
        METHOD.requestSerialize,
        METHOD.responseDeserialize,
        Buffer.alloc(0),
        new grpc.Metadata(),
        options,
        (error) => resolve(error?.code ?? 0),
      );
    });
}

export interface Load {
  /** Calls, and those of them that failed, in the order of `phases`. */
  readonly calls: number[];
  readonly lost: number[];
}

/** Most calls at once: what a busy machine has missed is not made up for in a burst. */
const MOST_AT_ONCE = 2;

/** Calls with even gaps, at each phase's rate; resolves when the last has ended. */
export async function load(
  work: Work,
  phases: readonly { readonly perSecond: number; readonly forMs: number }[],
): Promise<Load> {
  const calls = phases.map(() => 0);
  const lost = phases.map(() => 0);
  const running: Promise<void>[] = [];
  for (const [phase, { perSecond, forMs }] of phases.entries()) {
    const startMs = performance.now();
    for (let made = 0; performance.now() - startMs < forMs; ) {
      const due = Math.floor(((performance.now() - startMs) * perSecond) / 1_000) + 1;
      made = Math.max(made, due - MOST_AT_ONCE);
      for (; made < due; made += 1) {
        calls[phase] = (calls[phase] ?? 0) + 1;
        running.push(
          work().then((code) => {
            if (code !== 0) lost[phase] = (lost[phase] ?? 0) + 1;
          }),
        );
      }
      await pause(1_000 / perSecond);
    }
  }
  await Promise.all(running);
  return { calls, lost };
}

/** Calls with even gaps until it is stopped; the returned function resolves when the last has ended. */
export function keepCalling(work: Work, perSecond: number): { lost: number; stop(): Promise<unknown> } {
  const running = new Set<Promise<void>>();
  const timer = setInterval(() => {
    const call = work().then((code) => {
      running.delete(call);
      if (code !== 0) calling.lost += 1;
    });
    running.add(call);
  }, 1_000 / perSecond);
  const calling = {
    lost: 0,
    stop: () => {
      clearInterval(timer);
      return Promise.all(running);
    },
  };
  return calling;
}

/** How many attempts each server gets in so long. */
export async function attemptsIn(servers: readonly WorkServer[], forMs: number): Promise<number[]> {
  const before = servers.map(({ attempts }) => attempts);
  await pause(forMs);
  return servers.map(({ attempts }, index) => attempts - (before[index] ?? 0));
}

/** The first server's part of its fair share. */
export function shareOfFirst(attempts: readonly number[]): number {
  return ((attempts[0] ?? 0) * attempts.length) / attempts.reduce((a, b) => a + b, 0);
}
