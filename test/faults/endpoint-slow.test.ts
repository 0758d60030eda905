import { describe, it } from 'vitest';
import { pause } from '../support/closers';
import { printFact } from '../support/figure';
import type { PaymentsClient } from '../support/payments';
import { type ServerProcess, startServerProcess } from '../support/server-process';
import {
  type Call,
  connectAll,
  describeLosses,
  openGraylane,
  roundRobin,
  startedBetween,
  startLoad,
} from './fixtures/load';

const HEALTHY_MS = 10;
const SLOW_MS = 20 * HEALTHY_MS;
const SETTLED_AFTER_MS = 10_000;
const BACK_WITHIN_MS = 30_000;

interface World {
  readonly victim: ServerProcess;
  readonly client: PaymentsClient;
  readonly plain: PaymentsClient;
}

async function world(size: number, closing: <T>(thing: T, close: (it: T) => unknown) => T): Promise<World> {
  const [victim, others] = await Promise.all([
    startServerProcess({ names: ['victim'] }),
    startServerProcess({ names: Array.from({ length: size - 1 }, (_, n) => `s${n}`) }),
  ]);
  for (const each of [victim, others]) {
    closing(each, (one) => one.kill());
    await each.behave({ delayMs: HEALTHY_MS });
  }
  const instances = [...victim.instances, ...others.instances];
  const graylane = closing(openGraylane(instances, { retry: {} }), (opened) => opened.close());
  const plain = closing(await roundRobin(instances), (opened) => opened.close());
  return { victim, client: await connectAll(graylane), plain };
}

function p99(calls: readonly Call[]): number {
  const took = calls.map(({ startedAtMs, endedAtMs }) => endedAtMs - startedAtMs).sort((a, b) => a - b);
  return took[Math.ceil(0.99 * took.length) - 1] ?? Number.NaN;
}

/** 1 is an even share. */
function shareOfVictim(calls: readonly Call[], size: number): number {
  return (calls.filter(({ servedBy }) => servedBy === 'victim').length * size) / calls.length;
}

async function p99OfPlain(client: PaymentsClient, perSecond: number): Promise<number> {
  const load = startLoad(client, perSecond);
  await pause(2_000);
  await load.stop();
  return p99(load.calls);
}

for (const { perSecond, measuredMs } of [
  { perSecond: 100, measuredMs: 10_000 },
  { perSecond: 1_000, measuredMs: 4_000 },
]) {
  // Two at a thousand calls a second each are more than two processors do.
  describe('an instance that becomes 20 times slower', { concurrent: perSecond <= 100 }, () => {
    for (const size of [3, 10]) {
      it(`one of ${size} at ${perSecond} calls a second: hardly asked, and back after its cure`, {
        timeout: 90_000,
      }, async ({ expect, onTestFinished }) => {
        const closers: (() => unknown)[] = [];
        onTestFinished(async () => {
          for (const close of closers.reverse()) await close();
        });
        const { victim, client, plain } = await world(size, (thing, close) => {
          closers.push(() => close(thing));
          return thing;
        });
        const plainHealthy = await p99OfPlain(plain, perSecond);
        const load = startLoad(client, perSecond);
        // The first calls of a process are slow whoever answers them.
        await pause(1_000);
        const healthyFromMs = performance.now();
        await pause(4_000);
        await victim.behave({ delayMs: SLOW_MS });
        const illAtMs = performance.now();
        await pause(SETTLED_AFTER_MS + measuredMs);
        const untilMs = performance.now();
        const ill = startedBetween(load.calls, illAtMs + SETTLED_AFTER_MS, untilMs - 2 * SLOW_MS);
        const healthy = startedBetween(load.calls, healthyFromMs, illAtMs - 2 * HEALTHY_MS);

        await victim.behave({ delayMs: HEALTHY_MS });
        const curedAtMs = performance.now();
        const shareNow = (): number => {
          const now = performance.now();
          return shareOfVictim(startedBetween(load.calls, now - 3_000, now - 100), size);
        };
        await expect.poll(shareNow, { timeout: BACK_WITHIN_MS + 3_000, interval: 200 }).toBeGreaterThan(0.8);
        // The share was looked at over three seconds: so it has been back for about that long.
        const backAfterMs = performance.now() - curedAtMs;
        await load.stop();

        await victim.behave({ delayMs: SLOW_MS });
        const plainIll = await p99OfPlain(plain, perSecond);
        printFact(
          `1 of ${size} 20 x slower, ${perSecond} calls/s`,
          `${(shareOfVictim(ill, size) * 100).toFixed(1)} % of its fair share after ${SETTLED_AFTER_MS / 1_000} s; p99 ${p99(ill).toFixed(0)} ms, healthy ${p99(healthy).toFixed(0)} ms; ` +
            `share back ${(backAfterMs / 1_000).toFixed(1)} s after its cure; ${load.lost.length} lost / ${load.calls.length}; ` +
            `round_robin p99 ${plainIll.toFixed(0)} ms, healthy ${plainHealthy.toFixed(0)} ms`,
        );
        expect(describeLosses(load.lost)).toBe('');
        expect(shareOfVictim(ill, size)).toBeLessThanOrEqual(0.05);
        expect(p99(ill)).toBeLessThanOrEqual(2 * p99(healthy));
        expect(backAfterMs).toBeLessThanOrEqual(BACK_WITHIN_MS);
      });
    }
  });
}
