import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { type AcceptOptions, createGraylane, type Graylane, type GraylaneOptions } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { printFact } from '../../support/figure';
import { type Hop, type HopOptions, startHop } from '../../support/hop';
import {
  type ChargeReply,
  charge,
  type PaymentsClient,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';

const ACCEPT: AcceptOptions = { accept: ['X-Tag', 'x-gray'] };

const closing = closeAfterEach();

interface World {
  readonly graylane: Graylane;
  readonly hop: Hop;
  /** A client without a Graylane client: what it sends is what the test says. */
  readonly caller: PaymentsClient;
}

async function open(
  options: Partial<HopOptions> & { readonly graylaneOptions?: GraylaneOptions } = {},
): Promise<World> {
  const server = closing(await startPaymentsServer(), ({ kill }) => kill());
  const graylane = closing(
    createGraylane({
      instances: { payments: [{ address: server.host, port: server.port }] },
      ...options.graylaneOptions,
    }),
    (one) => one.close(),
  );
  const next = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  const hop = closing(await startHop({ accept: ACCEPT, ...options, graylane, next }), (one) => one.stop());
  const caller = closing(paymentsClient(hop.address), (one) => one.close());
  return { graylane, hop, caller };
}

function metadataOf(...pairs: readonly (readonly [string, string | Buffer])[]): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [key, value] of pairs) metadata.add(key, value);
  return metadata;
}

/** Tags of the answers to a call of each kind, which went through two servers. */
const kinds: Readonly<Record<string, (caller: PaymentsClient, metadata: grpc.Metadata) => Promise<readonly string[]>>> =
  {
    unary: async (caller, metadata) => [(await charge(caller, metadata)).tag],
    'server stream': (caller, metadata) => tagsOf(caller.watch({ count: 3 }, metadata)),
    'client stream': (caller, metadata) =>
      new Promise((resolve, reject) => {
        const stream = caller.upload(metadata, (error, reply) =>
          error === null ? resolve(reply.servedBy.split(' ')) : reject(error),
        );
        for (let sent = 0; sent < 3; sent += 1) stream.write({ order: 'o' });
        stream.end();
      }),
    bidi: (caller, metadata) => {
      const stream = caller.converse(metadata);
      const tags = tagsOf(stream);
      for (let sent = 0; sent < 3; sent += 1) stream.write({ order: 'o' });
      stream.end();
      return tags;
    },
  };

function tagsOf(stream: grpc.ClientReadableStream<ChargeReply>): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const tags: string[] = [];
    stream.on('data', ({ tag }: ChargeReply) => tags.push(tag));
    stream.on('error', reject);
    stream.on('end', () => resolve(tags));
  });
}

describe('labels of concurrent calls through a server in the middle', () => {
  it.each([
    ['unary', 1_000],
    ['server stream', 300],
    ['client stream', 300],
    ['bidi', 300],
  ] as const)('%s: are never mixed up', async (kind, calls) => {
    const { caller } = await open();
    const answers = await Promise.all(
      Array.from({ length: calls }, (_, index) => kinds[kind]?.(caller, metadataOf(['x-tag', `tag-${index}`]))),
    );
    const mixed = answers.filter(
      (tags, index) => tags === undefined || tags.length === 0 || tags.some((tag) => tag !== `tag-${index}`),
    );
    printFact(`propagation, ${kind}, ${calls} concurrent calls`, `${mixed.length} mixed up`);
    expect(mixed).toEqual([]);
  });

  it('hold when a call is cancelled', async () => {
    const { caller, hop } = await open();
    const cancel = (tag: string): void => {
      const call = caller.charge({ order: 'never' }, metadataOf(['x-tag', tag]), () => {});
      setTimeout(() => call.cancel(), 50);
    };
    for (const tag of ['one', 'two', 'three']) cancel(tag);
    await expect.poll(() => hop.cancelled.map((labels) => labels['x-tag']).sort()).toEqual(['one', 'three', 'two']);
  });
});

describe('what a server believes', () => {
  it('is what it accepts: the rest does not travel on', async () => {
    const { caller, hop } = await open({ accept: { accept: ['x-gray'] } });
    const reply = await charge(caller, { 'x-gray': 'canary', 'x-tag': 'evil' });
    expect(reply).toMatchObject({ gray: 'canary', tag: '' });
    // Handlers still see what was sent; only what is to be stripped is hidden from them.
    expect(hop.seen[0]?.get('x-tag')).toEqual(['evil']);
  });

  it('is nothing by default', async () => {
    const { caller } = await open({ accept: { accept: [] } });
    expect(await charge(caller, { 'x-gray': 'canary', 'x-tag': 'evil' })).toMatchObject({ gray: '', tag: '' });
  });

  it('can be hidden from handlers that hand metadata on as it is', async () => {
    const forward = ({ metadata }: { readonly metadata: grpc.Metadata }): grpc.Metadata => metadata.clone();
    const stripping = await open({
      accept: { accept: ['x-gray'], strip: ['x-t*', 'X-Other', 'x-g*'] },
      metadata: forward,
    });
    const sent = { 'x-gray': 'canary', 'x-tag': 'evil', 'x-other': 'o', 'x-untouched': 'u' };
    expect(await charge(stripping.caller, sent)).toMatchObject({ gray: 'canary', tag: '' });
    expect(stripping.hop.seen[0]?.getMap()).toMatchObject({ 'x-gray': 'canary', 'x-untouched': 'u' });
    expect(stripping.hop.seen[0]?.get('x-other')).toEqual([]);
    const passing = await open({ accept: { accept: ['x-gray'] }, metadata: forward });
    expect(await charge(passing.caller, sent)).toMatchObject({ tag: 'evil' });
  });

  it("yields to the handler's own metadata", async () => {
    const { caller } = await open({ metadata: () => metadataOf(['x-gray', 'own']) });
    expect(await charge(caller, { 'x-gray': 'canary', 'x-tag': 't' })).toMatchObject({ gray: 'own', tag: 't' });
  });

  it("wins over the Graylane client's static labels", async () => {
    const { caller } = await open({ graylaneOptions: { labels: { 'x-gray': 'static', 'x-tag': 'static' } } });
    expect(await charge(caller, { 'x-gray': 'canary' })).toMatchObject({ gray: 'canary', tag: 'static' });
  });

  it('has nothing of the scope in which the server was started', async () => {
    const outer = closing(createGraylane({ instances: { payments: [] } }), (one) => one.close());
    const server = closing(await startPaymentsServer(), ({ kill }) => kill());
    outer.setInstances('payments', [{ address: server.host, port: server.port }]);
    const next = paymentsClient(outer.target('payments'), outer.clientOptions());
    const reply = await outer.with({ labels: { 'x-tag': 'around', 'x-gray': 'around' } }, async () => {
      const hop = closing(await startHop({ graylane: outer, next, accept: ACCEPT }), (one) => one.stop());
      const caller = closing(paymentsClient(hop.address), (one) => one.close());
      return charge(caller, { 'x-gray': 'canary' });
    });
    expect(reply).toMatchObject({ gray: 'canary', tag: '' });
  });

  it('does not reach the calls of another Graylane client', async () => {
    const server = closing(await startPaymentsServer(), ({ kill }) => kill());
    const other = closing(
      createGraylane({ instances: { payments: [{ address: server.host, port: server.port }] } }),
      (one) => one.close(),
    );
    const next = paymentsClient(other.target('payments'), other.clientOptions());
    const graylane = closing(createGraylane({ instances: {} }), (one) => one.close());
    const hop = closing(await startHop({ graylane, next, accept: ACCEPT }), (one) => one.stop());
    const caller = closing(paymentsClient(hop.address), (one) => one.close());
    expect(await charge(caller, { 'x-gray': 'canary' })).toMatchObject({ gray: '' });
  });
});

describe('what cannot be believed', () => {
  it('matches nothing, breaks nothing, is counted by key, and its values are shown nowhere', async () => {
    const lines: string[] = [];
    const log = (message: string, fields?: object): void => void lines.push(message + JSON.stringify(fields));
    const logger = { debug: log, info: log, warn: log, error: log };
    const { caller, graylane } = await open({ graylaneOptions: { logger } });
    const refusedFor = async (...pairs: readonly (readonly [string, string | Buffer])[]): Promise<ChargeReply> =>
      charge(caller, metadataOf(...pairs));
    expect(await refusedFor(['x-gray', 'secret-a'], ['x-gray', 'secret-b'])).toMatchObject({ gray: '' });
    expect(await refusedFor(['x-gray', 'secret-a,secret-b'])).toMatchObject({ gray: '' });
    expect(await refusedFor(['x-tag', `secret${'x'.repeat(1_024)}`])).toMatchObject({ tag: '' });
    expect(await refusedFor(['x-tag', `secret${'x'.repeat(8_192)}`])).toMatchObject({ tag: '' });
    expect(await refusedFor(['x-tag-bin', Buffer.from('secret')], ['x-gray', 'fine'])).toMatchObject({ gray: 'fine' });
    expect(graylane.inspect().refusedLabels).toEqual({ 'x-gray': 2, 'x-tag': 2 });
    expect(JSON.stringify(graylane.inspect())).not.toContain('secret');
    expect(lines.join('\n')).not.toContain('secret');
  });

  it('is all of it when together it is more than 8 KiB', async () => {
    const keys = Array.from({ length: 9 }, (_, index) => `x-${index}`);
    const { caller, graylane } = await open({ accept: { accept: [...keys, 'x-tag'] } });
    const reply = await charge(
      caller,
      metadataOf(['x-tag', 't'], ...keys.map((key) => [key, 'v'.repeat(1_000)] as const)),
    );
    expect(reply).toMatchObject({ tag: '' });
    expect(graylane.inspect().refusedLabels).toMatchObject({ 'x-0': 1, 'x-8': 1 });
  });

  it.each([
    [
      { accept: ['x gray'] },
      'serverInterceptor.accept[0]: "x gray" (expected: a metadata key: letters, digits, _ . -)',
    ],
    [
      { accept: ['x-gray', 'authorization'] },
      'serverInterceptor.accept[1]: "authorization" (expected: a key that holds no credentials)',
    ],
    [{ accept: ['x-bin-bin'] }, '-bin'],
    [{ accept: ['content-type'] }, 'a header of your own; this one belongs to the transport'],
    [{ accept: 'x-gray' }, 'serverInterceptor.accept: string (expected: a list of keys)'],
    [{}, 'serverInterceptor.accept: missing (expected: a list of keys)'],
    [{ accept: [7] }, 'serverInterceptor.accept[0]: number (expected: a key)'],
    [{ accept: [], strip: ['*'] }, 'serverInterceptor.strip[0]: "*" (expected: a key, or a prefix ending in *)'],
    [
      { accept: [], acept: [] },
      'serverInterceptor.acept: unknown (expected: accept, strip, caller, deadlineMarginMs; did you mean accept?)',
    ],
    [
      { accept: [], deadlineMarginMs: -1 },
      'serverInterceptor.deadlineMarginMs: -1 (expected: milliseconds, 0 or more)',
    ],
    [{ accept: [], deadlineMarginMs: Number.NaN }, 'serverInterceptor.deadlineMarginMs: NaN (expected'],
    [
      { accept: [], deadlineMarginMs: Number.POSITIVE_INFINITY },
      'serverInterceptor.deadlineMarginMs: Infinity (expected',
    ],
    [{ accept: [], deadlineMarginMs: '5' }, 'serverInterceptor.deadlineMarginMs: string (expected'],
    [{ accept: [], deadlineMarginMs: null }, 'serverInterceptor.deadlineMarginMs: object (expected'],
    [undefined, 'serverInterceptor.accept: missing'],
    [{ accept: Array.from({ length: 33 }, (_, index) => `x-${index}`) }, '33 keys (expected: at most 32)'],
  ])('is refused at once in options: %j', (options, message) => {
    const graylane = closing(createGraylane({ instances: {} }), (one) => one.close());
    expect(() => graylane.serverInterceptor(options as AcceptOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(message) }),
    );
  });
});

describe('beside other interceptors', () => {
  it('works on either side of them, and leaves status, trailers and messages alone', async () => {
    const marks: string[] = [];
    const mark =
      (name: string): grpc.ServerInterceptor =>
      (_method, call) =>
        new grpc.ServerInterceptingCall(call, {
          start: (next) => next({ onReceiveMetadata: (metadata, pass) => setTimeout(() => pass(metadata), 5) }),
          sendStatus: (status, next) => {
            marks.push(name);
            next(status);
          },
        });
    const { caller } = await open({ before: [mark('inner')], after: [mark('outer')] });
    const tags = await Promise.all(
      Object.values(kinds).flatMap((kind) =>
        ['a', 'b', 'c'].map(async (tag) => [tag, ...(await kind(caller, metadataOf(['x-tag', tag])))]),
      ),
    );
    expect(tags.filter((all) => new Set(all).size !== 1)).toEqual([]);
    expect(marks.filter((name) => name === 'inner')).toHaveLength(12);
    expect(marks.filter((name) => name === 'outer')).toHaveLength(12);
  });
});
