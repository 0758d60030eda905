import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { watchCalm } from '../support/calm';
import { closeAfterEach, pause } from '../support/closers';
import { printFact } from '../support/figure';
import { startServerProcess } from '../support/server-process';
import {
  connectAll,
  describeLosses,
  openGraylane,
  roundRobin,
  slowestMs,
  startedBetween,
  startLoad,
} from './fixtures/load';

const closing = closeAfterEach();
const INTERNAL = { code: grpc.status.INTERNAL } as const;

describe('an instance that answers INTERNAL', () => {
  const retry = { maxAttempts: 2, retryableStatusCodes: ['UNAVAILABLE', 'INTERNAL'] } as const;
  it.each([
    ['costs one for each probe, as an answer is an answer', { retry: {} }, 5, 1],
    ['costs nothing where the policy retries INTERNAL', { retry }, 0, 0],
  ] as const)('is out after five calls, %s, and comes back after its cure', async (_, retries, most, mostByProbe) => {
    const resetMs = 2_000;
    const servers = closing(await startServerProcess({ names: ['victim', 'a', 'b', 'c'] }), (one) => one.kill());
    const policy = { ...retries, breaker: { resetTimeoutMs: 1_000, maxResetTimeoutMs: resetMs } };
    const graylane = closing(openGraylane(servers.instances, policy), (opened) => opened.close());
    let probes = 0;
    graylane.breakers.subscribe(({ event }) => {
      if (event === 'halfOpen') probes += 1;
    });
    const calm = closing(watchCalm(), (each) => each.stop());
    const plain = closing(await roundRobin(servers.instances), (opened) => opened.close());
    const load = startLoad(await connectAll(graylane));
    const plainLoad = startLoad(plain);
    await pause(1_000);
    await servers.behave(INTERNAL, ['victim']);
    await pause(5_000);
    await expect.poll(() => probes, { timeout: 15_000 }).toBeGreaterThan(1);
    const probesWhileIll = probes;
    await servers.behave(undefined);
    const curedAtMs = performance.now();
    const backCall = () =>
      startedBetween(load.calls, curedAtMs, Number.POSITIVE_INFINITY).find(({ servedBy }) => servedBy === 'victim');
    await expect.poll(backCall, { timeout: 5 * resetMs }).toBeDefined();
    await Promise.all([load.stop(), plainLoad.stop()]);
    const back = backCall();
    const backAfterMs = (back?.endedAtMs ?? Number.POSITIVE_INFINITY) - curedAtMs;
    printFact(
      `instance answers INTERNAL for 5 s, ${mostByProbe === 0 ? 'which is retried' : 'which is not retried'}`,
      `${load.lost.length} lost / ${load.calls.length} with ${probesWhileIll} probes, back ${Math.round(backAfterMs)} ms after its cure ` +
        `(reset at most ${resetMs} ms); round_robin ${plainLoad.lost.length} / ${plainLoad.calls.length}`,
    );
    // While its loop is busy, the client believes no failure.
    const lost = load.lost.filter(({ endedAtMs }) => calm.isCalmAt(endedAtMs));
    expect(lost.length, describeLosses(lost)).toBeLessThanOrEqual(most + mostByProbe * probesWhileIll);
    expect(probesWhileIll).toBeGreaterThan(1);
    expect(backAfterMs).toBeLessThanOrEqual(resetMs + 1_000 + slowestMs(plainLoad.calls));
  });
});

describe('a pool of two that flaps', () => {
  it('never refuses by itself while one of them answers', async () => {
    const servers = closing(await startServerProcess({ names: ['a', 'b'] }), (one) => one.kill());
    const policy = { retry: {}, breaker: { resetTimeoutMs: 500, maxResetTimeoutMs: 500 } };
    const graylane = closing(openGraylane(servers.instances, policy), (opened) => opened.close());
    const load = startLoad(await connectAll(graylane));
    const answered: number[] = [];
    for (let turn = 0; turn < 8; turn += 1) {
      const [ill, well] = turn % 2 === 0 ? ['a', 'b'] : ['b', 'a'];
      await servers.behave(undefined, [well ?? '']);
      await servers.behave(INTERNAL, [ill ?? '']);
      await pause(750);
      const fromMs = performance.now();
      await pause(500);
      const calls = startedBetween(load.calls, fromMs, performance.now());
      answered.push(calls.filter(({ servedBy }) => servedBy !== undefined).length / calls.length);
    }
    await load.stop();
    // What a busy machine holds up past its deadline, nobody has refused.
    const refused = load.lost.filter(
      ({ error }) => error?.details !== 'as told' && error?.code !== grpc.status.DEADLINE_EXCEEDED,
    );
    const worst = Math.min(...answered);
    printFact(
      'pool of 2, ill in turns of 1.25 s',
      `${refused.length} refused locally, ${load.lost.length} lost / ${load.calls.length}; answered in the second half of the worst turn: ${Math.round(worst * 100)} %`,
    );
    expect(describeLosses(refused)).toBe('');
    // 500 ms suffice for a probe to find the one that is well.
    expect(worst).toBeGreaterThan(0.7);
  });
});
