import { HealthImplementation } from 'grpc-health-check';
import { describe, expect, it } from 'vitest';
import { connectAll, describeLosses, openGraylane, startLoad } from '../../../faults/fixtures/load';
import { closeAfterEach, pause } from '../../../support/closers';
import { startPaymentsServer } from '../../../support/payments';
import { startServerProcess } from '../../../support/server-process';
import { type Answer, NOT_SERVING, WELL } from './raw-server';
import { type Ended, until, worlds } from './world';

const closing = closeAfterEach();
const world = worlds();
const UNAVAILABLE = 14;
const INTERNAL = 13;

/** Codes of those that did not go well. */
function lost(calls: readonly Ended[]): readonly number[] {
  return calls.map(({ code }) => code).filter((code) => code !== -1);
}

/** The server has ended its answers; they are some turns of the loop away from the client. */
async function heard(server: { readonly openChecks: number }): Promise<void> {
  await until(() => server.openChecks === 0);
  await pause(100);
}

describe('a server whose health check fails', () => {
  const answers: [string, Answer][] = [
    ['says NOT_SERVING', NOT_SERVING],
    ['says UNAVAILABLE', { code: UNAVAILABLE }],
    ['says INTERNAL', { code: INTERNAL }],
    ['resets the stream', 'reset'],
    ['answers HTTP 503', { http: 503 }],
  ];
  it.each(answers)('and %s gets no call, and is asked less and less often', async (_, health) => {
    const { ill, callUntil, turned, graylane } = await world();
    ill.answer = { code: INTERNAL };
    ill.health = health;
    await callUntil(() => turned.some(({ event }) => event === 'open'));
    const before = ill.calls.length;
    const calls = await callUntil(() => turned.filter(({ event }) => event === 'open').length === 3);
    expect(lost(calls)).toEqual([]);
    expect(ill.calls.length).toBe(before);
    expect(ill.checks.length).toBe(2);
    expect(graylane.breakers.list()[0]?.openedBecause).toMatch(/^health check: /);
    const [first = 0, second = 0, third = 0] = turned.filter(({ event }) => event === 'open').map(({ atMs }) => atMs);
    // 100 ms and 200 ms, each with up to 20 % less, from an opening that a busy machine is told of late.
    expect(second - first).toBeGreaterThanOrEqual(50);
    expect(third - second).toBeGreaterThanOrEqual(120);
  });

  it('that is not answered gets no call either', async () => {
    const { ill, callUntil, turned } = await world();
    ill.answer = 'silence';
    ill.health = 'silence';
    const opening = await callUntil(() => turned.some(({ event }) => event === 'open'), 'unary', { deadlineMs: 200 });
    // The first silence is a caller's; the second one is the check's.
    expect(lost(opening)).toEqual([4]);
    const before = ill.calls.length;
    const calls = await callUntil(() => turned.filter(({ event }) => event === 'open').length === 2);
    expect(lost(calls)).toEqual([]);
    expect(ill.calls.length).toBe(before);
    expect(turned.map(({ event }) => event)).toEqual(['open', 'halfOpen', 'open']);
  });

  it('is asked afresh by a half-open breaker, though a check from before is still out', async () => {
    const { ill, call, turned } = await world({ policy: { retry: 'off' } });
    ill.answer = 'silence';
    ill.health = 'silence';
    const opening = Array.from({ length: 8 }, () => call('unary', { deadlineMs: 300 }));
    await until(() => turned.at(-1)?.event === 'halfOpen' && ill.openChecks === 1);
    await Promise.all(opening);
    const before = ill.calls.length;
    for (let time = 0; time < 60; time += 1) expect((await call()).code).toBe(-1);
    expect(ill.calls.length).toBe(before);
  });

  it('is given a call once when its word has been bad three times, and not believed where that call goes well', async () => {
    const { ill, callUntil, turned, breaker } = await world({ health: NOT_SERVING });
    ill.answer = { code: UNAVAILABLE };
    await callUntil(() => turned.some(({ event }) => event === 'open'));
    ill.answer = WELL;
    const calls = await callUntil(() => breaker()?.state === 'closed');
    expect(lost(calls)).toEqual([]);
    expect(ill.checks.length).toBe(3);
    ill.answer = { code: UNAVAILABLE };
    await callUntil(() => breaker()?.state === 'open');
    ill.answer = WELL;
    await callUntil(() => breaker()?.state === 'closed');
    expect(ill.checks.length).toBe(3);
  });
});

describe('a server whose health check passes', () => {
  it('is back with the next call, be it one that may not be tried again', async () => {
    const { ill, callUntil, breaker, turned, call } = await world({ policy: { retry: 'off' } });
    ill.answer = { code: INTERNAL };
    await callUntil(() => breaker()?.state === 'open');
    ill.answer = WELL;
    await until(() => ill.checks.length === 1 && breaker()?.state === 'halfOpen');
    await heard(ill);
    expect((await call()).code).toBe(-1);
    expect(turned.map(({ event }) => event)).toEqual(['open', 'halfOpen', 'close']);
    for (let more = 0; more < 50; more += 1) await call();
    expect(ill.checks.length).toBe(1);
  });

  it('but that fails its calls loses one for each cycle, and cycles grow longer', async () => {
    const { ill, callUntil, turned } = await world({ policy: { retry: 'off' } });
    ill.answer = { code: INTERNAL };
    await callUntil(() => turned.some(({ event }) => event === 'open'));
    const before = ill.calls.length;
    const calls = await callUntil(() => turned.filter(({ event }) => event === 'open').length === 4);
    expect(lost(calls)).toEqual([INTERNAL, INTERNAL, INTERNAL]);
    expect(ill.calls.length - before).toBe(3);
    const opened = turned.filter(({ event }) => event === 'open').map(({ atMs }) => atMs);
    const gaps = opened.slice(1).map((atMs, index) => atMs - (opened[index] ?? 0));
    expect(gaps[1]).toBeGreaterThanOrEqual(120);
    expect(gaps[2]).toBeGreaterThanOrEqual(240);
  });

  it('probes with a call that is never cut off, however often it may be tried again', async () => {
    const { ill, callUntil, breaker, call } = await world();
    ill.answer = { code: INTERNAL };
    await callUntil(() => breaker()?.state === 'open');
    ill.answer = { message: Buffer.from('late'), afterMs: 1_500 };
    await until(() => ill.checks.length === 1);
    await heard(ill);
    const before = ill.calls.length;
    expect(await call()).toEqual({ code: -1, attempts: 1 });
    expect(ill.calls.length).toBe(before + 1);
    expect(breaker()?.state).toBe('closed');
  });

  it('is beyond doubt after one silent deadline, but the silence is remembered', async () => {
    const { ill, callUntil, breaker } = await world();
    ill.answer = 'silence';
    await callUntil(() => breaker() !== undefined, 'unary', { deadlineMs: 100 });
    await until(() => breaker()?.isDoubtful === false);
    expect(breaker()).toMatchObject({ state: 'closed', silentFailures: 1 });
    const asked = ill.calls.length;
    const calls = await callUntil(() => breaker()?.state === 'open', 'unary', { deadlineMs: 100 });
    expect(lost(calls)).toEqual([4]);
    expect(ill.calls.length).toBe(asked + 1);
  });

  it('forgets the silence at the next answer', async () => {
    const { ill, callUntil, breaker } = await world();
    ill.answer = 'silence';
    await callUntil(() => breaker() !== undefined, 'unary', { deadlineMs: 100 });
    ill.answer = WELL;
    const calls = await callUntil(() => breaker()?.silentFailures === 0);
    expect(lost(calls)).toEqual([]);
    expect(ill.checks.length).toBe(1);
  });
});

describe('the health check itself', () => {
  it('is never made of a healthy endpoint', async () => {
    const { ill, well, call } = await world();
    for (let time = 0; time < 100; time += 1) await call();
    ill.answer = { code: 5 };
    for (let time = 0; time < 100; time += 1) await call();
    expect([ill.checks.length, well.checks.length]).toEqual([0, 0]);
  });

  it('carries nothing of callers, and counts nowhere', async () => {
    const { ill, callUntil, breaker, graylane } = await world({ clientOptions: { 'grpc.default_authority': 'shop' } });
    ill.answer = { code: INTERNAL };
    await callUntil(() => breaker()?.state === 'open');
    const counts = graylane.breakers.list()[0]?.counts;
    await until(() => ill.checks.length === 1 && ill.openChecks === 0);
    expect(graylane.breakers.list()[0]?.counts).toEqual(counts);
    const [{ ':authority': authority, 'user-agent': agent, ...headers } = {}] = ill.checks;
    expect(authority).toBe('shop');
    expect(agent).toMatch(/grpc-node-js/);
    expect(Object.keys(headers).sort()).toEqual([':method', ':path', ':scheme', 'content-type', 'grpc-timeout', 'te']);
  });

  it('ends with the client', async () => {
    const { ill, callUntil, breaker, graylane } = await world();
    ill.answer = { code: INTERNAL };
    ill.health = 'silence';
    await callUntil(() => breaker()?.state === 'open');
    await until(() => ill.openChecks === 1);
    await graylane.close();
    await until(() => ill.openChecks === 0);
    expect(ill.checks.length).toBe(1);
  });
});

it("understands grpc-health-check's service", async () => {
  const health = new HealthImplementation({ '': 'NOT_SERVING' });
  const ill = closing(await startPaymentsServer({ name: 'ill', health }), (one) => one.kill());
  const well = closing(await startPaymentsServer({ name: 'well' }), (one) => one.kill());
  const policy = { retry: 'off', breaker: { resetTimeoutMs: 100, maxResetTimeoutMs: 100 } } as const;
  const graylane = closing(openGraylane([ill, well], policy), (one) => one.close());
  const events: string[] = [];
  graylane.breakers.subscribe(({ event }) => events.push(event));
  const load = startLoad(await connectAll(graylane), 100);
  ill.behave({ code: INTERNAL });
  await until(() => events.filter((event) => event === 'open').length === 3);
  expect(ill.calls).toBe(load.lost.length);
  expect(graylane.breakers.list()[0]?.openedBecause).toBe('health check: NOT_SERVING');
  const lostWhileOut = load.lost.length;
  ill.behave(undefined);
  health.setStatus('', 'SERVING');
  await until(() => events.includes('close'));
  await load.stop();
  expect(load.lost.length).toBe(lostWhileOut);
});

it('a frozen server with a health service costs nobody anything once it is out, and comes back after the thaw', async () => {
  const [victim, others] = await Promise.all([
    startServerProcess({ names: ['victim'], health: true }),
    startServerProcess({ names: ['a', 'b'], health: true }),
  ]);
  for (const each of [victim, others]) closing(each, (one) => one.kill());
  const policy = { retry: 'off', breaker: { resetTimeoutMs: 300, maxResetTimeoutMs: 300 } } as const;
  const graylane = closing(openGraylane([...victim.instances, ...others.instances], policy), (one) => one.close());
  let opened = 0;
  let halfOpenAtMs: number | undefined;
  let isClosed = false;
  graylane.breakers.subscribe(({ event }) => {
    if (event === 'open') opened += 1;
    if (event === 'halfOpen') halfOpenAtMs ??= performance.now();
    if (event === 'close') isClosed = true;
  });
  const load = startLoad(await connectAll(graylane), 100, 2_000);
  await until(() => load.calls.filter(({ servedBy }) => servedBy === 'victim').length > 10);
  victim.freeze();
  await until(() => opened === 3);
  victim.thaw();
  await until(() => isClosed);
  await load.stop();
  const sinceMs = halfOpenAtMs ?? 0;
  expect(describeLosses(load.lost.filter(({ startedAtMs }) => startedAtMs > sinceMs))).toBe('');
});
