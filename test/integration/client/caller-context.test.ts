import { AsyncLocalStorage } from 'node:async_hooks';
import * as grpc from '@grpc/grpc-js';
import { trace } from '@opentelemetry/api';
import { beforeAll, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { startDoor } from '../../support/door';
import { printFact } from '../../support/figure';
import { charge, type PaymentsClient, paymentsClient } from '../../support/payments';
import { isLong } from '../../support/slice';
import { startTracing } from '../../support/tracing';
import { type BeginOptions, type EventfulKind, grpcJsKinds, niceGrpcKinds } from './eventful-calls';
import { startTaggingServer, type TaggingServer } from './tagging-server';

const CALLERS = 6;
const CHAINS = isLong ? 1_000 : 300;
/** Of whoever opened the connection. */
const OPENER = 'opener';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const closing = closeAfterEach();
const store = new AsyncLocalStorage<string>();

beforeAll(() => {
  startTracing();
});

const policy: PolicyDocument = {
  schema: 1,
  service: 'payments',
  subsets: { all: {} },
  default: 'all',
  routes: [{ name: 'twice', match: { labels: { 'x-hedge': 'yes' } }, to: 'all', hedging: { delayMs: 10 } }],
  retry: {},
  retryBudget: { percent: 100, minPerSecond: 10_000 },
  breaker: { volumeThreshold: 1_000_000, consecutiveFailures: 0, silentFailures: 0 },
};

/** Runs as one caller: with a store, labels and a span of its own. */
function as<T>(graylane: Graylane, name: string, extra: Readonly<Record<string, string>>, fn: () => T): T {
  return store.run(name, () =>
    graylane.with({ labels: { 'x-tag': name, ...extra } }, () =>
      trace.getTracer('test').startActiveSpan(name, (span) => {
        span.setAttribute('caller', name);
        return fn();
      }),
    ),
  );
}

/** Who this is, by all that travels with the async context; `a|b` when they do not agree. */
function whoIsThis(graylane: Graylane): string {
  const span = trace.getActiveSpan() as unknown as { readonly name?: string } | undefined;
  const all = new Set([store.getStore(), graylane.ambientLabels()['x-tag'], span?.name]);
  return [...all].join('|');
}

interface World {
  readonly graylane: Graylane;
  readonly server: TaggingServer;
  /** Opens the connection, in the context of the opener. */
  prime(): Promise<unknown>;
  readonly kinds: Readonly<Record<string, EventfulKind>>;
}

/** The ways in which an application gets its client. */
const WAYS: Readonly<
  Record<string, (graylane: Graylane) => Pick<World, 'kinds'> & { readonly client: PaymentsClient }>
> = {
  clientOptions: (graylane) => {
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    return { client, kinds: grpcJsKinds(client) };
  },
  'channelOptions, with an interceptor': (graylane) => {
    // As a framework does that has options of its own.
    const interceptors = [
      (options: grpc.InterceptorOptions, next: grpc.NextCall) => new grpc.InterceptingCall(next(options)),
    ];
    const client = paymentsClient(graylane.target('payments'), { ...graylane.channelOptions(), interceptors });
    return { client, kinds: grpcJsKinds(client) };
  },
  'channel() with nice-grpc': (graylane) => {
    const channel = graylane.channel('payments', grpc.credentials.createInsecure()) as grpc.Channel;
    closing(channel, (one) => one.close());
    return {
      client: paymentsClient(graylane.target('payments'), { channelOverride: channel }),
      kinds: niceGrpcKinds(channel),
    };
  },
};

async function open(way: keyof typeof WAYS, port?: number): Promise<World> {
  const server = closing(await startTaggingServer(), (one) => one.stop());
  const graylane = closing(
    createGraylane({
      instances: { payments: [{ address: '127.0.0.1', port: port ?? server.port }] },
      policies: { payments: policy },
      logger: silent,
    }),
    (one) => one.close(),
  );
  return as(graylane, OPENER, {}, () => {
    const { client, kinds } = (WAYS[way] as (typeof WAYS)[string])(graylane);
    return { graylane, server, kinds, prime: () => as(graylane, OPENER, {}, () => charge(client)) };
  });
}

type EndingOf = BeginOptions['ending'];

/** Callers of every kind and ending, all at once. Gives what was heard in a context that was not the caller's, and what was not heard. */
async function heardWrongly(
  { graylane, kinds }: World,
  endings: readonly EndingOf[],
  extra: Readonly<Record<string, string>> = {},
): Promise<{ readonly wrong: readonly string[]; readonly missing: readonly string[]; readonly heard: number }> {
  const wrong: string[] = [];
  const missing: string[] = [];
  let heard = 0;
  const call = (kind: string, ending: EndingOf, name: string): Promise<void> =>
    new Promise((done) => {
      as(graylane, name, extra, () => {
        const seen = new Set<string>();
        const { begin, events } = kinds[kind] as EventfulKind;
        const note = (event: string): void => {
          seen.add(event);
          heard += 1;
          const who = whoIsThis(graylane);
          if (who !== name) wrong.push(`${kind}, ${ending}, ${event}: ${name} heard it as ${who}`);
        };
        begin({
          ending,
          note,
          done: () => {
            const expected = events[ending === 'ok' ? 'ok' : 'failed'];
            missing.push(
              ...expected.filter((event) => !seen.has(event)).map((event) => `${kind}, ${ending}: ${event}`),
            );
            done();
          },
        });
      });
    });
  const all = Object.keys(kinds).flatMap((kind) =>
    endings.flatMap((ending) =>
      Array.from({ length: CALLERS }, (_, index) => call(kind, ending, `${kind}-${ending}-${index}`)),
    ),
  );
  await Promise.all(all);
  return { wrong, missing, heard };
}

const FINE = { wrong: [], missing: [] };

describe.each(Object.keys(WAYS))('what a call made through %s tells its caller, it tells in its context', (way) => {
  it('over a connection that another caller opened, however the call ends', async () => {
    const world = await open(way);
    await world.prime();
    const { heard, ...rest } = await heardWrongly(world, ['ok', 'refuse', 'deadline', 'cancel']);
    printFact(`caller's context, ${way}`, `${heard} callbacks, ${rest.wrong.length} in another's context`);
    expect(rest).toEqual(FINE);
  });

  it('when it waited for the first resolution', async () => {
    expect(await heardWrongly(await open(way), ['ok', 'refuse'])).toMatchObject(FINE);
  });

  it('when it waited for a connection', async () => {
    let port = 0;
    const door = closing(await startDoor(() => port), (one) => one.stop());
    const world = await open(way, door.port);
    port = world.server.port;
    const first = world.prime();
    // The service is resolved once a connection is tried.
    await expect.poll(() => door.waiting).toBeGreaterThan(0);
    const result = heardWrongly(world, ['ok', 'refuse']);
    door.open();
    expect(await result).toMatchObject(FINE);
    await first;
  });

  it('when it was retried', async () => {
    const world = await open(way);
    await world.prime();
    world.server.first('fail');
    expect(await heardWrongly(world, ['ok', 'refuse'])).toMatchObject(FINE);
  });

  it('when it was hedged', async () => {
    const world = await open(way);
    await world.prime();
    world.server.first('hold');
    expect(await heardWrongly(world, ['ok', 'refuse'], { 'x-hedge': 'yes' })).toMatchObject(FINE);
  });

  it('over a connection that was opened again', async () => {
    const world = await open(way);
    await world.prime();
    world.server.stop();
    closing(await startTaggingServer(world.server.port), (one) => one.stop());
    await expect
      .poll(
        () =>
          world.prime().then(
            () => true,
            () => false,
          ),
        { timeout: 10_000 },
      )
      .toBe(true);
    expect(await heardWrongly(world, ['ok', 'refuse'])).toMatchObject(FINE);
  });
});

describe('the report of a call', () => {
  it('is given in the context of its caller', async () => {
    const world = await open('clientOptions');
    const client = paymentsClient(world.graylane.target('payments'), world.graylane.clientOptions());
    await world.prime();
    const reports = Array.from({ length: 20 }, (_, index) =>
      as(
        world.graylane,
        `caller-${index}`,
        {},
        () =>
          new Promise<boolean>((resolve) => {
            const observe = (): void => resolve(whoIsThis(world.graylane) === `caller-${index}`);
            world.graylane.with({ observe }, () =>
              client
                .watch({ count: 1 })
                .on('error', () => {})
                .resume(),
            );
          }),
      ),
    );
    expect((await Promise.all(reports)).filter((isRight) => !isRight)).toEqual([]);
  });
});

describe(`calls made from the callbacks of ${CHAINS} callers, with reconnects in between`, () => {
  it('carry the labels and the trace of the right caller', async () => {
    const callers = CHAINS;
    const world = await open('clientOptions');
    const client = paymentsClient(world.graylane.target('payments'), world.graylane.clientOptions());
    const servers = [world.server];
    let begun = 0;
    let failed = 0;
    /** Makes calls one from the callback of the other, of three kinds, and again where one fails. */
    const chain = (name: string): Promise<void> =>
      new Promise((done) => {
        const wanted = (): grpc.Metadata => {
          const metadata = new grpc.Metadata();
          metadata.set('x-want', name);
          metadata.set('x-want-trace', traceId);
          metadata.set('x-end', 'ok');
          return metadata;
        };
        let traceId = '';
        const steps: readonly ((next: (isFine: boolean) => void) => void)[] = [
          (next) => client.charge({}, wanted(), (error) => next(error === null)),
          (next) => {
            let isFine = true;
            const call = client.watch({ count: 2 }, wanted());
            call.on('data', () => {});
            call.on('error', () => {
              isFine = false;
            });
            call.on('status', () => next(isFine));
          },
          (next) => {
            const call = client.upload(wanted(), (error) => next(error === null));
            call.write({});
            call.end();
          },
        ];
        const step = (index: number): void => {
          const run = steps[index];
          if (run === undefined) {
            done();
            return;
          }
          begun += 1;
          run((isFine) => {
            if (!isFine) failed += 1;
            if (isFine) step(index + 1);
            else setTimeout(() => step(index), 20);
          });
        };
        as(world.graylane, name, {}, () => {
          traceId = trace.getActiveSpan()?.spanContext().traceId ?? '';
          step(0);
        });
      });
    let left = callers;
    const all = Array.from({ length: callers }, (_, index) => chain(`caller-${index}`).then(() => (left -= 1)));
    const served = (): number => servers.reduce((sum, { calls }) => sum + calls, 0);
    for (const at of [callers / 2, 2 * callers]) {
      await expect.poll(() => served() >= at || left === 0, { timeout: 20_000, interval: 5 }).toBe(true);
      servers.at(-1)?.stop();
      servers.push(closing(await startTaggingServer(world.server.port), (one) => one.stop()));
    }
    await Promise.all(all);
    const wrong = servers.flatMap((server) => server.wrong);
    printFact(
      `${callers} callers, ${begun} calls from callbacks, 2 restarts`,
      `${wrong.length} with another's label or trace, ${failed} failed and made again`,
    );
    expect(wrong).toEqual([]);
    expect(served()).toBeGreaterThanOrEqual(3 * callers);
  });
});
