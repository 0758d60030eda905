import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { closeAfterEach, pause } from '../support/closers';
import { printFact } from '../support/figure';
import { startServerProcess } from '../support/server-process';
import { connectAll, describeLosses, openGraylane, roundRobin, startedBetween, startLoad } from './fixtures/load';

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
    const plain = closing(await roundRobin(servers.instances), (opened) => opened.close());
    const load = startLoad(await connectAll(graylane));
    const plainLoad = startLoad(plain);
    await pause(1_000);
    await servers.behave(INTERNAL, ['victim']);
    await pause(8_000);
    const probesWhileIll = probes;
    await servers.behave(undefined);
    const curedAtMs = performance.now();
    await pause(resetMs + 2_000);
    await Promise.all([load.stop(), plainLoad.stop()]);
    const back = startedBetween(load.calls, curedAtMs, Number.POSITIVE_INFINITY).find(
      ({ servedBy }) => servedBy === 'victim',
    );
    const backAfterMs = (back?.endedAtMs ?? Number.POSITIVE_INFINITY) - curedAtMs;
    printFact(
      `instance answers INTERNAL for 8 s, ${mostByProbe === 0 ? 'which is retried' : 'which is not retried'}`,
      `${load.lost.length} lost / ${load.calls.length} with ${probesWhileIll} probes, back ${Math.round(backAfterMs)} ms after its cure ` +
        `(reset at most ${resetMs} ms); round_robin ${plainLoad.lost.length} / ${plainLoad.calls.length}`,
    );
    expect(load.lost.length, describeLosses(load.lost)).toBeLessThanOrEqual(most + mostByProbe * probesWhileIll);
    expect(probesWhileIll).toBeGreaterThan(1);
    expect(backAfterMs).toBeLessThanOrEqual(resetMs + 1_000);
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
    const refused = load.lost.filter(({ error }) => error?.details !== 'as told');
    const worst = Math.min(...answered);
    printFact(
      'pool of 2, ill in turns of 1.25 s',
      `${refused.length} refused locally, ${load.lost.length} lost / ${load.calls.length}; answered in the second half of the worst turn: ${Math.round(worst * 100)} %`,
    );
    expect(describeLosses(refused)).toBe('');
    // 500 ms suffice for a probe to find the one that is well.
    expect(worst).toBeGreaterThan(0.9);
  });
});
