import { describe, expect, it } from 'vitest';
import { sliceOf } from '../../support/slice';
import { answer, type Script, status, worlds } from './world';

const world = worlds();
const GRPC = { ':status': 200, 'content-type': 'application/grpc' } as const;

const unreadable = (bytes: Buffer): Buffer => {
  if (bytes.toString() === 'garbage') throw new Error('no message of ours');
  return bytes;
};

const scripts: readonly (readonly [string, Script])[] = [
  ...[0, 2, 8, 11, 13].map((code): [string, Script] => [`RST ${code}`, (stream) => stream.close(code)]),
  [
    'headers, then RST 8',
    (stream) => {
      stream.respond(GRPC);
      setTimeout(() => stream.close(8), 5);
    },
  ],
  ...[401, 403, 404, 429, 502].map((code): [string, Script] => [
    `HTTP ${code}`,
    (stream) => {
      stream.respond({ ':status': code, 'content-type': 'text/html' });
      stream.end('<html>no</html>');
    },
  ]),
  [
    'HTTP 200 with a page',
    (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'text/html' });
      stream.end('<html>welcome</html>');
    },
  ],
  ['OK without a message', status(0)],
  ['a message that cannot be read', (stream) => answer(stream, Buffer.from('garbage'))],
  ['CANCELLED by status', status(1, 'cancelled upstream')],
];

/** Field case 30: one of three ends every call below gRPC, or with what is no answer. */
describe.each([
  ['where nothing is tried again', {}],
  ['where responses are held', { retry: { maxAttempts: 2, retryableStatusCodes: ['UNAVAILABLE'] } }],
] as const)('%s', (_how, policy) => {
  it.each(sliceOf(scripts, 6))('%s is a failure of the endpoint', async (_what, script) => {
    const { servers, call, opened, graylane } = await world({ policy });
    const [ill] = servers;
    if (ill === undefined) throw new Error('no server');
    ill.script = script;
    const before = ill.calls;
    for (let turn = 0; turn < 3_000 && opened.length === 0; turn += 1) await call({ parse: unreadable });
    // Its breaker has opened, or it was so much slower than the others that it was hardly asked.
    const charged = graylane.breakers.list().filter(({ state, counts }) => state !== 'closed' || counts.failures > 0);
    expect(charged.map(({ key }) => key)).toEqual([`local/127.0.0.1:${ill.port}`]);
    expect(ill.calls - before).toBeLessThanOrEqual(8);
  });
});

describe('one of three ends every upload', () => {
  it.each(
    sliceOf(
      scripts.filter(([what]) => /OK|read|CANCELLED|RST 8/.test(what)),
      2,
    ),
  )('%s', async (_what, script) => {
    const { servers, calls, opened } = await world();
    if (servers[0] !== undefined) servers[0].script = script;
    const endsAtMs = performance.now() + 20_000;
    while (opened.length === 0 && performance.now() < endsAtMs) await calls(20, { kind: 'upload', parse: unreadable });
    expect(opened).toHaveLength(1);
  });
});
