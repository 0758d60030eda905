import { describe, expect, it } from 'vitest';
import { answer, type CallOptions, headersOnly, type Script, silent, type World, well, worlds } from './world';

const world = worlds();
/** What a busy machine does not use up in its bad moments. */
const PATIENCE_MS = 700;

/** Answers `unary`, and does `script` with all else. */
const besides =
  (script: Script): Script =>
  (stream, headers) =>
    headers[':path'] === '/x.S/unary' ? well(stream, headers) : script(stream, headers);

async function beside({ call, servers }: World, script: Script, options: CallOptions, times: number): Promise<void> {
  for (const server of servers) server.script = besides(script);
  let isOver = false;
  const others = (async () => {
    while (!isOver) {
      await call();
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
  })();
  const planned = async (): Promise<void> => {
    for (let time = 0; time < times; time += 1) await call(options);
  };
  // Several at a time, so that one endpoint has two of them that end together.
  await Promise.all(Array.from({ length: 4 }, planned));
  isOver = true;
  await others;
}

/** Field case 02. */
describe('ends that are planned open no breaker', () => {
  it.each<[string, Script, CallOptions]>([
    ['a subscription that has nothing to say by its deadline', silent, { kind: 'watch', deadlineMs: 300 }],
    ['a subscription that has sent headers only', headersOnly, { kind: 'watch', deadlineMs: 300 }],
    ['a subscription that its caller ends', silent, { kind: 'watch', cancelMs: 300 }],
    ['a conversation with nothing to say by its deadline', silent, { kind: 'converse', deadlineMs: 300 }],
    ['a conversation that its caller ends', headersOnly, { kind: 'converse', cancelMs: 300 }],
    ['a long poll by its deadline', silent, { method: 'poll', deadlineMs: 300 }],
    ['a long poll that its caller ends', silent, { method: 'poll', cancelMs: 300 }],
  ])('%s', async (_what, script, options) => {
    const it = await world();
    await beside(it, script, options, 6);
    expect(it.opened).toEqual([]);
  });

  it('a long poll that has an answer now and then', async () => {
    const it = await world();
    let polls = 0;
    const sometimes: Script = (stream) => {
      polls += 1;
      if (polls % 3 === 0) setTimeout(() => stream.destroyed || answer(stream, Buffer.from('news')), 30);
    };
    await beside(it, sometimes, { method: 'poll', deadlineMs: 500 }, 8);
    expect(it.opened).toEqual([]);
  });
});

/** Field case 06b, and 42. */
describe('an instance that hangs is out after two calls', () => {
  it.each<[string, Script, CallOptions]>([
    ['whose callers set deadlines', silent, { deadlineMs: PATIENCE_MS }],
    ['whose callers cancel', silent, { cancelMs: PATIENCE_MS }],
    ['that sends headers at once', headersOnly, { deadlineMs: PATIENCE_MS }],
    ['that sends headers at once to callers that cancel', headersOnly, { cancelMs: PATIENCE_MS }],
  ])('%s', async (_what, script, options) => {
    const { servers, call, opened } = await world();
    // What the method usually takes is known.
    for (let turn = 0; turn < 20; turn += 1) await call(options);
    const [ill] = servers;
    if (ill === undefined) throw new Error('no server');
    ill.script = script;
    const endsAtMs = performance.now() + 10_000;
    let lost = 0;
    while (opened.length === 0 && performance.now() < endsAtMs) if ((await call(options)).code !== 0) lost += 1;
    expect(opened).toEqual([expect.stringMatching(/2 deadlines in a row/)]);
    expect(lost).toBeLessThanOrEqual(3);
  });

  it.each<[string, CallOptions]>([
    ['by deadlines', { kind: 'upload', deadlineMs: PATIENCE_MS }],
    ['by cancelling', { kind: 'upload', cancelMs: PATIENCE_MS }],
  ])('and gets no uploads, which are no probes, after one that ended %s', async (_how, options) => {
    const { servers, call, graylane } = await world();
    for (let turn = 0; turn < 20; turn += 1) await call(options);
    if (servers[0] !== undefined) servers[0].script = headersOnly;
    const endsAtMs = performance.now() + 10_000;
    const isDoubtful = (): boolean => graylane.breakers.list().some((one) => one.isDoubtful);
    let lost = 0;
    while (!isDoubtful() && performance.now() < endsAtMs) if ((await call(options)).code !== 0) lost += 1;
    expect(isDoubtful()).toBe(true);
    expect(lost).toBe(1);
  });

  it('gets no calls of a method that hangs while it answers others, where the method is answered elsewhere', async () => {
    const { servers, call } = await world();
    for (let turn = 0; turn < 30; turn += 1) await call({ method: 'get' });
    if (servers[0] !== undefined) servers[0].script = besides(silent);
    let lost = 0;
    for (let round = 0; round < 50; round += 1) {
      const ended = await Promise.all([1, 2, 3, 4].map(() => call({ method: 'get', deadlineMs: PATIENCE_MS })));
      lost += ended.filter(({ code }) => code !== 0).length;
      // An answer to another method in between ends the streak.
      await call();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // Its part of 200 calls would be 67.
    expect(lost).toBeGreaterThan(0);
    expect(lost).toBeLessThanOrEqual(15);
  });
});
