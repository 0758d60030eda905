import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type PolicyDocument, type StatusName } from '../../src/index';
import { closeAfterEach, pause } from '../support/closers';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../support/payments';

const closing = closeAfterEach();

const INTERNAL_ERROR = 2;

/** What the server does once it has the request. */
type Script = (stream: ServerHttp2Stream, cut: () => void) => Promise<void>;

/** No real server can be asked to die between the frames of one response. */
async function startScripted(script: Script): Promise<number> {
  const server = closing(createServer(), (one) => one.close());
  const sockets: Socket[] = [];
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  server.on('connection', (socket) => sockets.push(closing(socket, (one) => one.destroy())));
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.resume();
    stream.on('end', () => void script(stream, cut));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function respond(stream: ServerHttp2Stream): void {
  const headers = { ':status': 200, 'content-type': 'application/grpc', 'x-from': 'scripted' };
  stream.respond(headers, { waitForTrailers: true });
}

/** An empty message; the time lets it reach the client as a frame of its own. */
async function sendMessage(stream: ServerHttp2Stream): Promise<void> {
  stream.write(Buffer.alloc(5));
  await pause(20);
}

function endWith(stream: ServerHttp2Stream, code: grpc.status): void {
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(code), 'grpc-message': 'its own word' }));
  stream.end();
}

interface Opened {
  readonly graylane: Graylane;
  readonly client: PaymentsClient;
  readonly other: PaymentsServer;
}

/** A Graylane client whose calls go to the scripted server first, and to a real one when they are tried again. */
async function open(
  script: Script,
  policy: Partial<PolicyDocument> = {},
  options: grpc.ClientOptions = {},
): Promise<Opened> {
  const other = closing(await startPaymentsServer({ name: 'other' }), (one) => one.kill());
  const scripted = { address: '127.0.0.1', port: await startScripted(script), tags: ['scripted'] };
  const graylane = closing(
    createGraylane({
      instances: { payments: [scripted, { address: other.host, port: other.port, tags: ['other'] }] },
      policies: {
        payments: {
          schema: 1,
          service: 'payments',
          subsets: { scripted: { tags: ['scripted'], fallback: 'other' }, other: { tags: ['other'] } },
          default: 'scripted',
          retry: { maxAttempts: 2, retryableStatusCodes: ['UNAVAILABLE', 'INTERNAL'] },
          ...policy,
        },
      },
    }),
    (one) => one.close(),
  );
  const client = closing(paymentsClient(graylane.target('payments'), graylane.clientOptions(options)), (one) =>
    one.close(),
  );
  await graylane.ready('payments');
  return { graylane, client, other };
}

interface Ended {
  /** In the order in which the caller saw them. */
  readonly events: readonly string[];
  readonly servedBy: string | undefined;
  readonly error: grpc.ServiceError | null;
}

function watchCall(client: PaymentsClient, deadlineMs = 5_000, cancelAfterMs?: number): Promise<Ended> {
  return new Promise((resolve) => {
    const events: string[] = [];
    let ended: Omit<Ended, 'events'>;
    const metadata = new grpc.Metadata();
    const call = client.charge({}, metadata, { deadline: Date.now() + deadlineMs }, (error, reply) => {
      events.push('callback');
      ended = { servedBy: reply?.servedBy, error };
    });
    call.on('metadata', (headers: grpc.Metadata) => events.push(`headers of ${headers.get('x-from')[0] ?? 'other'}`));
    call.on('status', () => setImmediate(() => resolve({ events, ...ended })));
    if (cancelAfterMs !== undefined) setTimeout(() => call.cancel(), cancelAfterMs);
  });
}

const afterHeaders: Script = async (stream, cut) => {
  respond(stream);
  await pause(20);
  cut();
};
const afterMessage: Script = async (stream, cut) => {
  respond(stream);
  await sendMessage(stream);
  cut();
};
const byReset: Script = async (stream) => {
  respond(stream);
  await sendMessage(stream);
  stream.close(INTERNAL_ERROR);
};

describe('a unary response that is cut', () => {
  const scripts = [
    { where: 'between headers and message', script: afterHeaders },
    { where: 'between message and status', script: afterMessage },
    { where: 'by a reset of its stream', script: byReset },
  ];
  for (const { where, script } of scripts) {
    it(`${where} is had from another instance`, async () => {
      const { client } = await open(script);
      const { events, servedBy, error } = await watchCall(client);
      expect(error).toBeNull();
      expect(servedBy).toBe('other');
      expect(events).toEqual(['headers of other', 'callback']);
    });
  }

  it('is had from another when its instance leaves and has no time to drain', async () => {
    let answered = (): void => {};
    const hasAnswered = new Promise<void>((resolve) => {
      answered = resolve;
    });
    const { graylane, client, other } = await open(
      async (stream) => {
        respond(stream);
        await sendMessage(stream);
        answered();
      },
      { balancing: { drainMs: 50 } },
    );
    const ended = watchCall(client);
    await hasAnswered;
    graylane.setInstances('payments', [{ address: other.host, port: other.port, tags: ['other'] }]);
    expect(await ended).toMatchObject({ servedBy: 'other', error: null });
  });

  it('reaches the caller where the call may not be tried again', async () => {
    const { graylane, client } = await open(afterMessage);
    const { events, error } = await graylane.with({ retry: false }, () => watchCall(client));
    expect(error?.code).toBe(grpc.status.UNAVAILABLE);
    expect(events).toEqual(['headers of scripted', 'callback']);
  });

  it('reaches the caller of a client that does not say what its methods are', async () => {
    const { graylane } = await open(afterMessage);
    const channel = graylane.channel('payments', grpc.credentials.createInsecure());
    const client = closing(paymentsClient('unused', { channelOverride: channel }), (one) => one.close());
    expect((await watchCall(client)).error?.code).toBe(grpc.status.UNAVAILABLE);
  });
});

describe('a unary response that is whole', () => {
  it('comes with its headers first, once', async () => {
    const { client } = await open(async (stream) => {
      respond(stream);
      await sendMessage(stream);
      endWith(stream, grpc.status.OK);
    });
    const { events, error } = await watchCall(client);
    expect(error).toBeNull();
    expect(events).toEqual(['headers of scripted', 'callback']);
  });

  const every = Object.keys(grpc.status).filter((name) => Number.isNaN(Number(name))) as StatusName[];
  const failures = every.filter((name) => (name as string) !== 'OK');

  it.each(failures)('is believed when the server itself says after its headers: %s', async (name) => {
    const code = grpc.status[name];
    const script: Script = async (stream) => {
      respond(stream);
      await pause(5);
      endWith(stream, code);
    };
    const { client, other } = await open(script, { retry: { maxAttempts: 2, retryableStatusCodes: failures } });
    const { events, error } = await watchCall(client);
    expect(error).toMatchObject({ code, details: 'its own word' });
    expect(events).toEqual(['headers of scripted', 'callback']);
    expect(other.calls).toBe(0);
  });

  it.each([
    ['headers', false],
    ['headers and message', true],
  ] as const)('has brought %s when its caller gives up: they come before that', async (_, isWithMessage) => {
    const script: Script = async (stream) => {
      respond(stream);
      if (isWithMessage) await sendMessage(stream);
    };
    const { client } = await open(script);
    const late = await watchCall(client, 300);
    expect(late.error?.code).toBe(grpc.status.DEADLINE_EXCEEDED);
    expect(late.events).toEqual(['headers of scripted', 'callback']);
    const cancelled = await watchCall(client, 5_000, 300);
    expect(cancelled.error?.code).toBe(grpc.status.CANCELLED);
    expect(cancelled.events).toEqual(['headers of scripted', 'callback']);
  });

  it('is not touched by the end of another call, whose first attempt had the same place in memory', async () => {
    let requests = 0;
    let hasAnswered = false;
    const { client, other } = await open(
      async (stream) => {
        requests += 1;
        if (requests === 1) {
          stream.respond(
            { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '14' },
            { endStream: true },
          );
          return;
        }
        respond(stream);
        await pause(900);
        hasAnswered = true;
        await sendMessage(stream);
        endWith(stream, grpc.status.OK);
      },
      {
        retry: { maxAttempts: 2, retryableStatusCodes: ['UNAVAILABLE'], initialBackoffMs: 250, maxBackoffMs: 250 },
      },
    );
    other.behave({ delayMs: 10_000 });
    const first = watchCall(client, 600);
    await expect.poll(() => requests).toBe(1);
    await pause(50);
    const heldUntilAnswered = new Promise((resolve, reject) => {
      const call = client.charge({}, (error) => {
        if (error !== null) reject(error);
      });
      call.on('metadata', () => resolve(hasAnswered));
    });
    expect((await first).error?.code).toBe(grpc.status.DEADLINE_EXCEEDED);
    expect(await heldUntilAnswered).toBe(true);
  });

  it('comes before a failure that is not to be retried', async () => {
    const { client, other } = await open(byReset, { retry: { maxAttempts: 2 } });
    const { events, error } = await watchCall(client);
    expect(error?.code).toBe(grpc.status.INTERNAL);
    expect(events).toEqual(['headers of scripted', 'callback']);
    expect(other.calls).toBe(0);
  });

  it('comes before the failure of the last attempt', async () => {
    const { client } = await open(afterHeaders, { subsets: { scripted: { tags: ['scripted'] } }, default: 'scripted' });
    const { events, error } = await watchCall(client);
    expect(error?.code).toBe(grpc.status.UNAVAILABLE);
    expect(events).toEqual(['headers of scripted', 'callback']);
  });

  it('comes before the failure when the retry budget is spent', async () => {
    const { client, other } = await open(afterHeaders, { retryBudget: { percent: 0, minPerSecond: 0 } });
    const { events, error } = await watchCall(client);
    expect(error?.code).toBe(grpc.status.UNAVAILABLE);
    expect(events).toEqual(['headers of scripted', 'callback']);
    expect(other.calls).toBe(0);
  });

  it.each<[string, Partial<PolicyDocument>, grpc.ClientOptions]>([
    ['with retries switched off on the channel', {}, { 'grpc.enable_retries': 0 }],
    ['with retry off', { retry: 'off' }, {}],
  ])('is not held %s: headers come when the server sends them', async (_, policy, options) => {
    const script: Script = async (stream) => {
      respond(stream);
      await pause(600);
      await sendMessage(stream);
      endWith(stream, grpc.status.OK);
    };
    const { client } = await open(script, policy, options);
    const call = client.charge({}, () => {});
    const first = await new Promise((resolve) => {
      call.on('metadata', () => resolve('metadata'));
      call.on('status', () => resolve('status'));
    });
    expect(first).toBe('metadata');
  });

  it('is from a peer that is known while it is held', async () => {
    let answered = (): void => {};
    const hasAnswered = new Promise<void>((resolve) => {
      answered = resolve;
    });
    const { client } = await open(async (stream) => {
      respond(stream);
      await sendMessage(stream);
      answered();
    });
    const call = client.charge({}, () => {});
    expect(call.getPeer()).not.toMatch(/^127/);
    await hasAnswered;
    await pause(50);
    expect(call.getPeer()).toMatch(/^127\.0\.0\.1:\d+$/);
    call.cancel();
  });

  it('leaves a transformer of the user its say', async () => {
    const seen: string[] = [];
    const { client } = await open(
      afterMessage,
      {},
      {
        callInvocationTransformer: (call) => {
          seen.push(call.methodDefinition.path);
          return call;
        },
      },
    );
    await charge(client);
    expect(seen).toEqual(['/shop.v1.Payments/Charge']);
  });
});

describe('a stream', () => {
  it('has its headers at once, and is not tried again when it is cut', async () => {
    let cutNow = (): void => {};
    const mayCut = new Promise<void>((resolve) => {
      cutNow = resolve;
    });
    const { client } = await open(async (stream, cut) => {
      respond(stream);
      await mayCut;
      cut();
    });
    const stream = client.watch({ count: 3 });
    const ended = new Promise<number>((resolve) => {
      stream.on('error', ({ code }: grpc.ServiceError) => resolve(code));
    });
    stream.on('data', () => {});
    await new Promise((resolve) => stream.once('metadata', resolve));
    cutNow();
    expect(await ended).toBe(grpc.status.UNAVAILABLE);
  });
});
