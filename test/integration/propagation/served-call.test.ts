import { setTimeout as wait } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { createClientFactory, createServer as createNiceServer } from 'nice-grpc';
import { describe, expect, it } from 'vitest';
import { ServedCall } from '../../../src/client/propagation/served-call';
import { createGraylane, type Graylane, type ServerInterceptorOptions } from '../../../src/index';
import { CALL_KINDS, type CallKind } from '../../support/call-kinds';
import { closeAfterEach } from '../../support/closers';
import { heapKb } from '../../support/cost';
import { startDoor } from '../../support/door';
import { printFact } from '../../support/figure';
import { charge, Payments, type PaymentsClient, paymentsClient, startPaymentsServer } from '../../support/payments';
import { untilReady } from '../../support/until-ready';

const { CANCELLED, DEADLINE_EXCEEDED, OK } = grpc.status;
const KINDS = Object.keys(CALL_KINDS) as CallKind[];

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const closing = closeAfterEach();

/** The last server of a chain: holds each call for ever, and tells what becomes of it. */
interface Leaf {
  readonly port: number;
  /** Milliseconds that each call had left when it came, in order. */
  readonly leftMs: readonly number[];
  readonly cancelled: number;
}

interface Handled {
  getDeadline(): grpc.Deadline;
  on(event: 'cancelled', listener: () => void): unknown;
}

function leftOf(call: Handled): number {
  const deadline = call.getDeadline();
  return (deadline instanceof Date ? deadline.getTime() : deadline) - Date.now();
}

async function bind(server: grpc.Server): Promise<number> {
  closing(server, (one) => one.forceShutdown());
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
}

async function startLeaf(): Promise<Leaf> {
  const leftMs: number[] = [];
  let cancelled = 0;
  const hold = (call: Handled): void => {
    leftMs.push(leftOf(call));
    call.on('cancelled', () => {
      cancelled += 1;
    });
  };
  const server = new grpc.Server();
  server.addService(Payments.service, { charge: hold, watch: hold, upload: hold, converse: hold } as never);
  const port = await bind(server);
  return {
    port,
    leftMs,
    get cancelled() {
      return cancelled;
    },
  };
}

type Serve = (graylane: Graylane, next: PaymentsClient) => Partial<Record<CallKind, (...args: never[]) => unknown>>;

interface Middle {
  readonly graylane: Graylane;
  /** Of the server behind it, through the Graylane client. */
  readonly next: PaymentsClient;
  readonly port: number;
  /** A client without a Graylane client. */
  readonly caller: PaymentsClient;
}

/** A server whose handlers call the one behind it. */
async function startMiddle(
  port: number,
  serve: Serve,
  options: Partial<ServerInterceptorOptions> = {},
): Promise<Middle> {
  const graylane = open(port);
  const next = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  const server = new grpc.Server({ interceptors: [graylane.serverInterceptor({ accept: [], ...options })] });
  const unheard = (): void => {};
  const handlers = { charge: unheard, watch: unheard, upload: unheard, converse: unheard, ...serve(graylane, next) };
  server.addService(Payments.service, handlers as never);
  const own = await bind(server);
  const caller = closing(paymentsClient(`127.0.0.1:${own}`), (one) => one.close());
  return { graylane, next, port: own, caller };
}

function open(port: number): Graylane {
  const instances = { payments: [{ address: '127.0.0.1', port }] };
  return closing(createGraylane({ instances, logger: silent, closeTimeoutMs: 0 }), (one) => one.close());
}

/** Status of a call of one kind made through `client`, with a deadline where one is given. */
function statusOf(client: PaymentsClient, kind: CallKind, options: grpc.CallOptions = {}): Promise<grpc.StatusObject> {
  const metadata = new grpc.Metadata();
  return new Promise((resolve) => {
    const make = client as unknown as Record<string, (...args: unknown[]) => grpc.ClientDuplexStream<object, object>>;
    const isUpload = kind === 'upload';
    const request = kind === 'charge' || kind === 'watch' ? [kind === 'watch' ? { count: 1 } : {}] : [];
    const callback = kind === 'charge' || isUpload ? [() => {}] : [];
    const call = make[kind]?.call(client, ...request, metadata, options, ...callback);
    call?.on('status', resolve);
    if (kind === 'watch' || kind === 'converse') call?.on('error', () => {}).resume();
    if (isUpload || kind === 'converse') call?.write({});
  });
}

/** A unary handler whose call onward is of this kind; answers with its status, or fails with it. */
function onward(next: PaymentsClient, kind: CallKind, ended: (status: grpc.StatusObject) => void = () => {}) {
  return async (_call: Handled, callback: grpc.sendUnaryData<object>): Promise<void> => {
    const status = await statusOf(next, kind);
    ended(status);
    callback(status.code === OK ? null : { code: status.code, details: status.details }, {});
  };
}

describe('three hops', () => {
  it.each(KINDS)('the deadline shrinks from hop to hop, margin by margin: %s', async (kind) => {
    const leaf = await startLeaf();
    const statuses: grpc.StatusObject[] = [];
    const inner = await startMiddle(
      leaf.port,
      (_, next) => ({ charge: onward(next, kind, (status) => statuses.push(status)) }),
      { deadlineMarginMs: 300 },
    );
    const outer = await startMiddle(inner.port, (_, next) => ({ charge: onward(next, 'charge') }), {
      deadlineMarginMs: 600,
    });
    const edge = open(outer.port);
    const client = paymentsClient(edge.target('payments'), edge.clientOptions());
    const deadline = Date.now() + 2_400;
    const status = await statusOf(client, 'charge', { deadline });
    expect(status.code).toBe(DEADLINE_EXCEEDED);
    // Each had time to answer the one before it: what the edge hears is not its own deadline, but its server's answer.
    expect(Date.now()).toBeLessThan(deadline);
    expect(statuses).toMatchObject([
      {
        code: DEADLINE_EXCEEDED,
        // The leaf's server keeps the deadline, too, and may say so first.
        details: expect.stringMatching(
          /^Deadline exceeded$|deadline of the call being served, \/shop\.v1\.Payments\/Charge/,
        ),
      },
    ]);
    expect(leaf.leftMs).toHaveLength(1);
    expect(leaf.leftMs[0]).toBeLessThanOrEqual(2_400 - 900);
  });

  it.each(KINDS)('a cancel at the edge reaches the leaf: %s', async (kind) => {
    const leaf = await startLeaf();
    const statuses: grpc.StatusObject[] = [];
    const serve: Serve = (_, next) => ({
      charge: onward(next, kind, (status) => statuses.push(status)),
      // Called by another server of this kind: streams hold on to what they called.
      watch: () => void onward(next, kind, (status) => statuses.push(status))({} as never, () => {}),
    });
    const inner = await startMiddle(leaf.port, serve);
    const outer = await startMiddle(inner.port, (_, next) => ({ charge: onward(next, 'watch') }));
    const edge = open(outer.port);
    const client = paymentsClient(edge.target('payments'), edge.clientOptions());
    const call = client.charge({}, () => {});
    await expect.poll(() => leaf.leftMs.length).toBe(1);
    expect(leaf.leftMs[0]).toBe(Number.POSITIVE_INFINITY);
    call.cancel();
    await expect.poll(() => leaf.cancelled).toBe(1);
    expect(statuses).toMatchObject([
      { code: CANCELLED, details: expect.stringContaining('the call being served, /shop.v1.Payments/Watch') },
    ]);
  });
});

describe('a call made for a served one', () => {
  it.each(KINDS)('is cancelled when the client of the served one is gone: %s', async (kind) => {
    const leaf = await startLeaf();
    const middle = await startMiddle(leaf.port, (_, next) => ({ charge: onward(next, kind) }));
    const door = closing(await startDoor(() => middle.port), (one) => one.stop());
    door.open();
    const caller = closing(paymentsClient(`127.0.0.1:${door.port}`), (one) => one.close());
    caller.charge({}, () => {});
    await expect.poll(() => leaf.leftMs.length).toBe(1);
    door.cut();
    await expect.poll(() => leaf.cancelled).toBe(1);
  });

  it('has its own deadline where that is the shorter', async () => {
    const leaf = await startLeaf();
    const statuses: grpc.StatusObject[] = [];
    const middle = await startMiddle(leaf.port, (_, next) => ({
      charge: async (_call: Handled, callback: grpc.sendUnaryData<object>) => {
        statuses.push(await statusOf(next, 'charge', { deadline: new Date(Date.now() + 100) }));
        callback(null, {});
      },
    }));
    expect(await statusOf(middle.caller, 'charge', { deadline: Date.now() + 20_000 })).toMatchObject({ code: OK });
    expect(statuses).toMatchObject([
      { code: DEADLINE_EXCEEDED, details: expect.not.stringContaining('the call being served') },
    ]);
    expect(leaf.leftMs[0]).toBeLessThanOrEqual(100);
  });

  it.each([
    ['the deadline has passed', {}],
    ['the margin has begun', { deadlineMarginMs: 19_900 }],
  ] as const)('is not sent when %s, and its status says whose deadline that was', async (_, options) => {
    const leaf = await startPaymentsServer();
    closing(leaf, (one) => one.kill());
    const isMargin = 'deadlineMarginMs' in options;
    const statuses: grpc.StatusObject[] = [];
    const { caller } = await startMiddle(
      leaf.port,
      (_graylane, next) => ({
        charge: async (call: Handled) => {
          await wait(isMargin ? 200 : leftOf(call) + 20);
          statuses.push(...(await Promise.all(KINDS.map((kind) => statusOf(next, kind)))));
        },
      }),
      options,
    );
    // The deadline is to be over in the handler, and not before the call came there.
    await untilReady(caller);
    caller.charge({}, new grpc.Metadata(), { deadline: Date.now() + (isMargin ? 20_000 : 500) }, () => {});
    await expect.poll(() => statuses.length).toBe(KINDS.length);
    for (const { code, details } of statuses) {
      expect(code).toBe(DEADLINE_EXCEEDED);
      expect(details).toMatch(
        /^Deadline exceeded(| before the call was sent): deadline of the call being served, \/shop\.v1\.Payments\/Charge/,
      );
    }
    expect(leaf.calls).toBe(0);
  });

  it('is not sent when the served one has been cancelled', async () => {
    const leaf = await startPaymentsServer();
    closing(leaf, (one) => one.kill());
    let statuses: readonly grpc.StatusObject[] = [];
    let isServing = false;
    const { caller } = await startMiddle(leaf.port, (_, next) => ({
      charge: (call: Handled) => {
        isServing = true;
        call.on('cancelled', async () => {
          statuses = await Promise.all(KINDS.map((kind) => statusOf(next, kind)));
        });
      },
    }));
    const call = caller.charge({}, () => {});
    await expect.poll(() => isServing).toBe(true);
    call.cancel();
    await expect.poll(() => statuses.map(({ code }) => code)).toEqual(KINDS.map(() => CANCELLED));
    expect(statuses[0]?.details).toContain('the call being served, /shop.v1.Payments/Charge, was cancelled');
    expect(leaf.calls).toBe(0);
  });

  it('ends also where an interceptor starts it only after the deadline', async () => {
    const leaf = await startPaymentsServer();
    closing(leaf, (one) => one.kill());
    const late: grpc.Interceptor = (options, nextCall) =>
      new grpc.InterceptingCall(nextCall(options), {
        start: (metadata, listener, next) => setTimeout(() => next(metadata, listener), 600),
      });
    const statuses: grpc.StatusObject[] = [];
    const { caller } = await startMiddle(leaf.port, (_, next) => ({
      charge: async () => statuses.push(await statusOf(next, 'charge', { interceptors: [late] })),
    }));
    // The deadline is to be over in the handler, and not before the call came there.
    await untilReady(caller);
    caller.charge({}, new grpc.Metadata(), { deadline: Date.now() + 500 }, () => {});
    await expect.poll(() => statuses).toMatchObject([{ code: DEADLINE_EXCEEDED }]);
    expect(leaf.calls).toBe(0);
  });

  it('follows the flags of a `parent` that the handler gives', async () => {
    const leaf = await startLeaf();
    const { caller } = await startMiddle(leaf.port, (_, next) => ({
      charge: (call: grpc.ServerUnaryCall<object, object>) => {
        void statusOf(next, 'charge', { parent: call, propagate_flags: grpc.propagate.CENSUS_STATS_CONTEXT });
        void statusOf(next, 'charge', { parent: call });
      },
    }));
    const call = caller.charge({}, new grpc.Metadata(), { deadline: Date.now() + 10_000 }, () => {});
    await expect.poll(() => leaf.leftMs.length).toBe(2);
    expect(Math.max(...leaf.leftMs)).toBe(Number.POSITIVE_INFINITY);
    expect(Math.min(...leaf.leftMs)).toBeLessThanOrEqual(10_000);
    call.cancel();
    await expect.poll(() => leaf.cancelled).toBe(1);
  });

  it('goes on where nobody asked for it: the served one was answered', async () => {
    const leaf = await startPaymentsServer();
    closing(leaf, (one) => one.kill());
    leaf.behave({ delayMs: 200 });
    const later: Promise<unknown>[] = [];
    const serve: Serve = (_, next) => {
      const fireAndForget = (): void => {
        later.push(charge(next, {}, {}));
        // Begun when the deadline of the call that it was begun for has long passed.
        later.push(wait(700).then(() => charge(next, {}, {})));
      };
      return {
        charge: (_call: Handled, callback: grpc.sendUnaryData<object>) => {
          fireAndForget();
          callback(null, {});
        },
        watch: (call: grpc.ServerWritableStream<object, object>) => {
          fireAndForget();
          call.end();
        },
        upload: (_call: Handled, callback: grpc.sendUnaryData<object>) => {
          fireAndForget();
          callback(null, {});
        },
        converse: (call: grpc.ServerDuplexStream<object, object>) => {
          fireAndForget();
          call.end();
        },
      };
    };
    const { caller } = await startMiddle(leaf.port, serve);
    for (const kind of KINDS) {
      expect(await statusOf(caller, kind, { deadline: Date.now() + 500 })).toMatchObject({ code: OK });
    }
    expect(await Promise.allSettled(later)).toMatchObject(later.map(() => ({ status: 'fulfilled' })));
    expect(leaf.calls).toBe(2 * KINDS.length);
  });

  it.each(KINDS)("steps out with deadline: 'own', inner scopes included: %s", async (kind) => {
    const leaf = await startLeaf();
    let isCancelled = false;
    const { caller, graylane } = await startMiddle(leaf.port, (own, next) => ({
      charge: (call: Handled) => {
        call.on('cancelled', () => {
          isCancelled = true;
        });
        own.with({ deadline: 'own' }, () => own.with({ labels: { 'x-tag': 't' } }, () => void statusOf(next, kind)));
      },
    }));
    const call = caller.charge({}, new grpc.Metadata(), { deadline: Date.now() + 20_000 }, () => {});
    await expect.poll(() => leaf.leftMs).toEqual([Number.POSITIVE_INFINITY]);
    call.cancel();
    await expect.poll(() => isCancelled).toBe(true);
    await wait(50);
    expect(leaf.cancelled).toBe(0);
    expect(() => graylane.with({ deadline: 500 as never }, () => 'ran')).toThrow("with.deadline: 500 (expected: 'own'");
  });

  it('is bound through nice-grpc on both sides', async () => {
    const leaf = await startLeaf();
    const graylane = open(leaf.port);
    const options: grpc.ServerOptions = { interceptors: [graylane.serverInterceptor({ accept: [] })] };
    const server = closing(createNiceServer(options), (one) => one.forceShutdown());
    const channel = graylane.channel('payments', grpc.credentials.createInsecure()) as grpc.Channel;
    closing(channel, (one) => one.close());
    const next = createClientFactory().create(Payments.service as never, channel) as unknown as {
      Charge(request: object): Promise<object>;
      Watch(request: object): AsyncIterable<object>;
    };
    const errors: unknown[] = [];
    server.add(
      Payments.service as never,
      {
        async Charge() {
          return next.Charge({}).catch((error: unknown) => errors.push(error));
        },
        async *Watch() {
          try {
            yield* next.Watch({ count: 1 });
          } catch (error) {
            errors.push(error);
          }
        },
        async Upload() {},
        async *Converse() {},
      } as never,
    );
    const port = await server.listen('127.0.0.1:0');
    const caller = closing(paymentsClient(`127.0.0.1:${port}`), (one) => one.close());
    const calls = [
      caller.charge({}, new grpc.Metadata(), { deadline: Date.now() + 10_000 }, () => {}),
      caller.watch({ count: 1 }, new grpc.Metadata(), { deadline: Date.now() + 10_000 }).on('error', () => {}),
    ];
    await expect.poll(() => leaf.leftMs.length).toBe(2);
    expect(Math.max(...leaf.leftMs)).toBeLessThanOrEqual(10_000);
    for (const call of calls) call.cancel();
    await expect.poll(() => leaf.cancelled).toBe(2);
    await expect.poll(() => errors).toMatchObject([{ code: CANCELLED }, { code: CANCELLED }]);
  });

  it('leaves nothing behind in a stream that serves for hours', { timeout: 60_000 }, async () => {
    const calls = 2_000;
    const leaf = await startPaymentsServer();
    closing(leaf, (one) => one.kill());
    const gone: WeakRef<object>[] = [];
    let listeners = -1;
    let began = (): void => {};
    const go = new Promise<void>((resolve) => {
      began = resolve;
    });
    let isDone = false;
    const { caller } = await startMiddle(leaf.port, (_, next) => ({
      watch: async (call: grpc.ServerWritableStream<object, object>) => {
        const ownListeners = call.listenerCount('cancelled');
        listeners = 0;
        await go;
        const one = (): Promise<unknown> =>
          new Promise((resolve, reject) => {
            const made = next.charge({}, (error, reply) => (error === null ? resolve(reply) : reject(error)));
            gone.push(new WeakRef(made));
          });
        let begun = 0;
        const worker = async (): Promise<void> => {
          while (begun < calls) {
            begun += 1;
            await one();
          }
        };
        await Promise.all(Array.from({ length: 16 }, worker));
        listeners = call.listenerCount('cancelled') - ownListeners;
        isDone = true;
      },
    }));
    const stream = caller.watch({ count: 1 }).on('error', () => {});
    await expect.poll(() => listeners).toBe(0);
    const before = heapKb();
    began();
    await expect.poll(() => isDone, { timeout: 50_000 }).toBe(true);
    const after = heapKb();
    const left = gone.filter((one) => one.deref() !== undefined).length;
    printFact(
      `${calls} calls made for one served stream`,
      `${left} of them still held, heap ${(after - before).toFixed(0)} KB`,
    );
    expect(gone).toHaveLength(calls);
    expect(left).toBeLessThan(50);
    expect(listeners).toBe(0);
    stream.cancel();
  });
});

describe('a served call', () => {
  const begin = (deadline: number, marginMs = 0) => {
    let nowMs = 1_000;
    const call = new ServedCall('/a/B', deadline, marginMs, () => nowMs);
    return {
      call,
      at: (ms: number) => {
        nowMs = ms;
      },
    };
  };

  it('gives the very deadline that is the shorter', () => {
    const own = new Date(1_500);
    expect(begin(2_000).call.shorten(own)).toBe(own);
    expect(begin(2_000, 600).call.shorten(own)).toBe(1_400);
    expect(begin(Number.POSITIVE_INFINITY).call.shorten(own)).toBe(own);
    expect(begin(2_000).call.shorten(Number.POSITIVE_INFINITY)).toBe(2_000);
    // What grpc-js refuses, it is left to refuse.
    expect(begin(2_000).call.shorten('soon' as never)).toBe('soon');
  });

  it('says what its end was: a cancel, or its deadline', () => {
    const cancelled = begin(2_000);
    cancelled.call.cancelled();
    expect(cancelled.call.refuses()?.code).toBe(CANCELLED);
    // The client's own clock is a little ahead: what it sent was on its way for a while.
    for (const at of [1_970, 2_000]) {
      const late = begin(2_000);
      late.at(at);
      late.call.cancelled();
      expect(late.call.refuses()?.code).toBe(DEADLINE_EXCEEDED);
    }
  });

  it('lets go at once when it is answered, also after it was cancelled', () => {
    const { call, at } = begin(2_000);
    call.cancelled();
    expect(call.refuses()).toBeDefined();
    call.answered();
    at(3_000);
    expect(call.refuses()).toBeUndefined();
    expect(call.shorten(5_000)).toBe(5_000);
  });

  it('lets go a minute after it was cancelled: what runs in its context by then is no part of it', () => {
    const { call, at } = begin(2_000);
    call.cancelled();
    at(60_999);
    expect(call.refuses()).toBeDefined();
    expect(call.shorten(90_000)).toBe(2_000);
    at(61_000);
    expect(call.refuses()).toBeUndefined();
    expect(call.shorten(90_000)).toBe(90_000);
  });

  it('ends those that are there, once, and not those that have left', () => {
    const { call } = begin(2_000);
    const ended: string[] = [];
    const dependent = (name: string) => ({ endWith: () => ended.push(name) });
    const gone = dependent('gone');
    call.add(gone);
    call.add(dependent('there'));
    call.remove(gone);
    call.cancelled();
    call.cancelled();
    call.add(dependent('late'));
    call.cancelled();
    expect(ended).toEqual(['there']);
  });
});
