import { describe, expect, it } from 'vitest';
import { closeAfterAll } from '../../../support/closers';
import { sliceOf } from '../../../support/slice';
import { type Answer, WELL } from './raw-server';
import { STREAMS, until, type World, worlds } from './world';

// They wait most of the time, each in a world of its own: several at once.
const world = worlds(closeAfterAll());
const UNAVAILABLE = 14;
const INTERNAL = 13;
const ABORTED = 10;
const NONE = { code: 12 } as const;
const slow = { message: Buffer.from('late') } as const;

describe.concurrent('a server without a health service', () => {
  const answers: [string, Answer][] = [
    ['UNIMPLEMENTED', NONE],
    ['HTTP 404', { http: 404 }],
    ['UNAUTHENTICATED', { code: 16 }],
    ['PERMISSION_DENIED', { code: 7 }],
    ['NOT_FOUND', { code: 5 }],
    ['INVALID_ARGUMENT', { code: 3 }],
    ['UNKNOWN as its status', { message: Buffer.from([8, 0]) }],
    ['what nobody can read', { message: Buffer.from([255, 255]) }],
  ];
  it.each(sliceOf(answers, 3))('that says %s is asked once a connection, and calls probe', async (_, health) => {
    const { ill, callUntil, turned, breaker } = await world({ health });
    ill.answer = { code: UNAVAILABLE };
    await callUntil(() => turned.filter(({ event }) => event === 'open').length === 3);
    expect(ill.checks.length).toBe(1);
    ill.dropConnections();
    await callUntil(() => turned.filter(({ event }) => event === 'open').length === 5);
    expect(ill.checks.length).toBe(2);
    ill.answer = WELL;
    await callUntil(() => breaker()?.state === 'closed');
    expect(ill.checks.length).toBe(2);
  });

  it('loses no caller who may try again, by probes that fail with what his policy names or are not answered', async () => {
    const { ill, callUntil, turned, call } = await world({ health: NONE });
    for (let time = 0; time < 20; time += 1) await call();
    ill.answer = { code: UNAVAILABLE };
    const opening = await callUntil(() => turned.filter(({ event }) => event === 'open').length === 2);
    expect(opening.filter(({ code }) => code !== -1)).toEqual([]);
    ill.answer = 'silence';
    const calls = await callUntil(() => turned.filter(({ event }) => event === 'open').length === 4);
    expect(calls.filter(({ code }) => code !== -1)).toEqual([]);
    expect(calls.filter(({ attempts }) => attempts === 2).length).toBe(2);
  });
});

/** C3: what a server has answered is not asked of another one, unless the policy names that code. */
describe.concurrent('an answer is an answer', () => {
  const codes = Array.from({ length: 16 }, (_, index) => index + 1);
  const retry = { maxAttempts: 2, retryableStatusCodes: ['ABORTED'] } as const;
  const policy = { retry, breaker: { resetTimeoutMs: 50, maxResetTimeoutMs: 50 } };

  /** Calls until the ill one has had another; resolves to how often a call was executed. */
  async function executionsPerCall({ ill, well, call }: World): Promise<number> {
    const before = ill.calls.length;
    const others = well.calls.length;
    let made = 0;
    while (ill.calls.length === before) {
      await call();
      made += 1;
    }
    return (ill.calls.length - before + well.calls.length - others) / made;
  }

  it.each(sliceOf(codes, 5))("of a half-open breaker's probe with code %i", async (code) => {
    const it = await world({ health: NONE, policy });
    const { ill, well, callUntil, turned } = it;
    ill.answer = { code: UNAVAILABLE };
    await callUntil(() => turned.some(({ event }) => event === 'open'));
    ill.answer = { code };
    well.answer = { code };
    await until(() => turned.some(({ event }) => event === 'halfOpen') && ill.openChecks === 0);
    // ABORTED is named by the policy: each of its calls has two attempts, the probe no more than any other.
    expect(await executionsPerCall(it)).toBe(code === ABORTED ? 2 : 1);
  });

  it.each(sliceOf(codes, 5))('of a call that verifies a doubtful endpoint with code %i', async (code) => {
    const it = await world({ health: NONE, policy });
    const { ill, well, callUntil, breaker } = it;
    ill.answer = 'silence';
    await callUntil(() => breaker()?.isDoubtful === true, 'unary', { deadlineMs: 400 });
    ill.answer = { code };
    well.answer = { code };
    await until(() => ill.checks.length === 1 && ill.openChecks === 0);
    expect(await executionsPerCall(it)).toBe(code === ABORTED ? 2 : 1);
  });
});

/** C4: whoever cannot be tried again waits as long as his caller does. */
describe.concurrent('a probe that may not be tried again', () => {
  it.each([
    ['retries are off in the channel', { clientOptions: { 'grpc.enable_retries': 0 } }, 1],
    ['retries are off in the policy', { policy: { retry: 'off' } }, 1],
    ['its request is larger than what grpc-js keeps', {}, 2_000_000],
  ] as const)('is not cut off: %s', async (_, options, bytes) => {
    const { ill, callUntil, turned, breaker, call } = await world({ health: NONE, ...options });
    for (let time = 0; time < 10; time += 1) await call();
    ill.answer = { code: INTERNAL };
    await callUntil(() => turned.some(({ event }) => event === 'open'));
    ill.answer = { ...slow, afterMs: 1_500 };
    await until(() => turned.some(({ event }) => event === 'halfOpen') && ill.openChecks === 0);
    const before = ill.calls.length;
    while (ill.calls.length === before) expect(await call('unary', { bytes })).toEqual({ code: -1, attempts: 1 });
    expect(ill.calls.length).toBe(before + 1);
    expect(breaker()?.state).toBe('closed');
  });

  it.each(STREAMS)('is no %s while single-response calls come', async (name) => {
    const { ill, callUntil, turned, call } = await world({ health: NONE });
    for (let time = 0; time < 10; time += 1) await call();
    ill.answer = { code: INTERNAL };
    await callUntil(() => turned.some(({ event }) => event === 'open'));
    ill.answer = WELL;
    await until(() => turned.some(({ event }) => event === 'halfOpen') && ill.openChecks === 0);
    const before = ill.calls.length;
    for (let time = 0; time < 50; time += 1) expect((await call(name)).code).toBe(-1);
    expect(ill.calls.length).toBe(before);
    expect((await call()).code).toBe(-1);
    expect(ill.calls.length).toBe(before + 1);
    expect(turned.at(-1)?.event).toBe('close');
  });

  it.each(STREAMS)('is a %s where nothing else ever comes, begun once and not cut off', async (name) => {
    const { ill, callUntil, turned } = await world({ health: NONE });
    ill.answer = { code: INTERNAL };
    await callUntil(() => turned.some(({ event }) => event === 'open'), name);
    ill.answer = { ...slow, afterMs: 1_200 };
    const before = ill.calls.length;
    const calls = await callUntil(() => turned.some(({ event }) => event === 'close'), name);
    expect(calls.every(({ code, attempts }) => code === -1 && attempts === 1)).toBe(true);
    expect(ill.calls.length).toBe(before + 1);
  });
});

/** T4: what is slow by nature is not ill. */
describe.concurrent('a service whose answers are slow', () => {
  it.each([100, 1_500])('has an instance back that was ill for a while: %i ms', async (afterMs) => {
    const { ill, well, call, turned, callUntil, breaker } = await world({ health: NONE });
    ill.answer = { ...slow, afterMs };
    well.answer = { ...slow, afterMs };
    const many = (): Promise<unknown> => Promise.all(Array.from({ length: 8 }, () => call()));
    await many();
    ill.answer = { code: UNAVAILABLE };
    while (!turned.some(({ event }) => event === 'open')) await many();
    ill.answer = { ...slow, afterMs };
    const calls = await callUntil(() => breaker()?.state === 'closed');
    expect(calls.every(({ code }) => code === -1)).toBe(true);
    const before = [ill.calls.length, well.calls.length] as const;
    for (let time = 0; time < 3; time += 1) await many();
    const [mine, others] = [ill.calls.length - before[0], well.calls.length - before[1]];
    expect(Math.abs(mine - others)).toBeLessThanOrEqual(8);
  });
});
