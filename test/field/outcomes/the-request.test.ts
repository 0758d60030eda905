import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { graySplit } from '../../support/gray-policy';
import { answer, type CallOptions, type Script, status, well, worlds } from './world';

const world = worlds();
const CANARY = {
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'canary',
} as const;
const TAGS = ['stable', 'canary', 'canary'];

const many = new grpc.Metadata();
for (let key = 0; key < 150; key += 1) many.set(`key-${key}`, 'x');

/** Field case 07. */
describe('limits of the client, or of a message, move no breaker and no caller', () => {
  it.each<[string, grpc.ClientOptions, Script, CallOptions, number]>([
    [
      'answers above max_receive_message_length',
      { 'grpc.max_receive_message_length': 1_000 },
      (stream) => answer(stream, Buffer.alloc(5_000)),
      {},
      8,
    ],
    [
      'requests above max_send_message_length',
      { 'grpc.max_send_message_length': 1_000 },
      well,
      { request: Buffer.alloc(5_000) },
      8,
    ],
    [
      'requests above the limit of a server in Go',
      {},
      status(8, 'grpc: received message larger than max (9 vs. 4)'),
      {},
      8,
    ],
    ['150 metadata keys', {}, well, { metadata: many }, 8],
  ])('%s', async (_what, clientOptions, script, options, code) => {
    const { servers, calls, opened } = await world({ servers: 3, policy: CANARY, tags: TAGS, clientOptions });
    for (const server of servers) server.script = script;
    const ended = await calls(40, options);
    expect(new Set(ended.map((one) => one.code))).toEqual(new Set([code]));
    expect(opened).toEqual([]);
  });
});

describe('a poison request', () => {
  const failing: Script = (stream, headers) =>
    headers['x-poison'] === undefined ? well(stream, headers) : status(13, 'boom')(stream, headers);
  const metadata = new grpc.Metadata();
  metadata.set('x-poison', '1');

  it.each([
    ['where nothing is tried again', {}],
    ['where INTERNAL is tried again', { retry: { maxAttempts: 2, retryableStatusCodes: ['INTERNAL'] } }],
  ] as const)('of one caller in 20 opens nothing and moves nobody off the canary, %s', async (_how, policy) => {
    const it = await world({ policy: { ...CANARY, ...policy }, tags: TAGS });
    for (const server of it.servers) server.script = failing;
    const before = it.servers[0]?.calls ?? 0;
    for (let turn = 0; turn < 20; turn += 1) {
      await it.call({ metadata });
      await it.calls(19);
    }
    expect(it.opened).toEqual([]);
    // Retries of the poison itself may go on to stable.
    expect((it.servers[0]?.calls ?? 0) - before).toBeLessThanOrEqual(20);
  });

  it('that is tried again at a second endpoint is charged to neither', async () => {
    const it = await world({ policy: { retry: { maxAttempts: 2, retryableStatusCodes: ['INTERNAL'] } } });
    for (const server of it.servers) server.script = failing;
    for (let turn = 0; turn < 30; turn += 1) {
      await it.calls(14);
      await it.call({ metadata });
    }
    expect(it.opened).toEqual([]);
    expect(Math.max(0, ...it.graylane.breakers.list().map(({ counts }) => counts.failures))).toBeLessThanOrEqual(1);
  });

  it('for a method that fails everywhere opens nothing where other methods are answered', async () => {
    const it = await world({ policy: CANARY, tags: TAGS });
    const broken: Script = (stream, headers) =>
      headers[':path'] === '/x.S/broken' ? status(2, 'boom')(stream, headers) : well(stream, headers);
    for (const server of it.servers) server.script = broken;
    for (let turn = 0; turn < 40; turn += 1) {
      // Together, so that each endpoint gets some of both.
      await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(() => it.call()));
      await Promise.all([1, 2, 3, 4].map(() => it.call({ method: 'broken' })));
    }
    expect(it.opened).toEqual([]);
  });

  it('does not cover a method that fails on the canary alone', async () => {
    const routes = [
      {
        name: 'half',
        split: graySplit(50),
      },
    ];
    const it = await world({ policy: { subsets: CANARY.subsets, default: 'stable', routes }, tags: TAGS });
    const broken: Script = (stream, headers) =>
      headers[':path'] === '/x.S/broken' ? status(2, 'boom')(stream, headers) : well(stream, headers);
    for (const server of it.servers.slice(1)) server.script = broken;
    for (let turn = 0; turn < 150 && it.opened.length === 0; turn += 1) await it.calls(3, { method: 'broken' });
    expect(it.opened).not.toEqual([]);
  });

  it('does not cover an endpoint that fails where others do not', async () => {
    const it = await world({ policy: { retry: { maxAttempts: 2, retryableStatusCodes: ['INTERNAL'] } } });
    if (it.servers[0] !== undefined) it.servers[0].script = status(13, 'boom');
    // It draws few calls: what fails at once counts in flight for as long as a good answer takes.
    const endsAtMs = performance.now() + 10_000;
    while (it.opened.length === 0 && performance.now() < endsAtMs) await it.calls(10);
    expect(it.opened).toHaveLength(1);
  });

  it('does not cover a service all of whose instances fail', async () => {
    const it = await world({ policy: { retry: { maxAttempts: 2, retryableStatusCodes: ['INTERNAL'] } } });
    for (const server of it.servers) server.script = status(13, 'boom');
    const endsAtMs = performance.now() + 5_000;
    while (it.opened.length === 0 && performance.now() < endsAtMs) await it.call();
    expect(it.opened).not.toEqual([]);
  });
});
