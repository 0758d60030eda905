import { describe, it } from 'vitest';
import { pause } from '../support/closers';
import { printFact, quantile } from '../support/figure';
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
const SLOWER_BY = 20;
const MOST_SLOW_MS = 1_000;
const DEADLINE_MS = 5_000;
const SETTLED_WITHIN_MS = 10_000;
const BACK_WITHIN_MS = 30_000;
/** Of its fair share: one call of a hundred or of thousands, by the rate. An instance that is asked on has 1. */
const MOST_SHARE = 0.1;

export interface SlowCell {
  readonly size: number;
  readonly perSecond: number;
  /** Of the time in which it is hardly asked. */
  readonly measuredMs: number;
}

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

function tookMs({ startedAtMs, endedAtMs }: Call): number {
  return endedAtMs - startedAtMs;
}

function p99(calls: readonly Call[]): number {
  return quantile(calls.map(tookMs), 0.99);
}

/** 1 is an even share. */
function shareOfVictim(calls: readonly Call[], size: number): number {
  return (calls.filter(({ servedBy }) => servedBy === 'victim').length * size) / calls.length;
}

async function p99OfPlain(client: PaymentsClient, perSecond: number): Promise<number> {
  const load = startLoad(client, perSecond);
  await pause(1_000);
  await load.stop();
  return p99(load.calls);
}

/** F: an instance that becomes 20 times slower. */
export function slowInstance(cells: readonly SlowCell[]): void {
  // Two at a thousand calls a second each are more than two processors do.
  const isConcurrent = cells.every(({ perSecond }) => perSecond <= 100);
  describe('an instance that becomes 20 times slower', { concurrent: isConcurrent }, () => {
    for (const { size, perSecond, measuredMs } of cells) {
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
        const load = startLoad(client, perSecond, DEADLINE_MS);
        const shareIn = (fromMs: number, toMs: number): number =>
          shareOfVictim(startedBetween(load.calls, fromMs, toMs), size);
        // The first calls of a process are slow whoever answers them.
        await pause(1_000);
        const wellFromMs = performance.now();
        await pause(1_500);
        // A busy machine makes all calls slow: slower by so much more is what it becomes.
        const wellMs = quantile(startedBetween(load.calls, wellFromMs, performance.now()).map(tookMs), 0.5);
        const slowMs = Math.round(Math.min(MOST_SLOW_MS, SLOWER_BY * Math.max(HEALTHY_MS, wellMs)));
        await victim.behave({ delayMs: slowMs });
        const illAtMs = performance.now();
        // Only calls that have had the time to end, there too, say who is asked.
        const endedMs = (): number => performance.now() - 2 * slowMs;
        while (performance.now() < illAtMs + SETTLED_WITHIN_MS) {
          await pause(200);
          if (endedMs() - 1_000 > illAtMs && shareIn(endedMs() - 1_000, endedMs()) <= MOST_SHARE) break;
        }
        const settledAtMs = performance.now();
        await pause(measuredMs + 2 * slowMs);
        const ill = startedBetween(load.calls, settledAtMs, endedMs());
        const others = ill.filter(({ servedBy }) => servedBy !== 'victim');
        const plainIll = await p99OfPlain(plain, perSecond);

        await victim.behave({ delayMs: HEALTHY_MS });
        const curedAtMs = performance.now();
        await pause(1_000);
        const shareNow = (): number => shareIn(performance.now() - 3_000, performance.now() - 100);
        await expect.poll(shareNow, { timeout: BACK_WITHIN_MS, interval: 200 }).toBeGreaterThan(0.8);
        // The share was looked at over three seconds: so it has been back for about that long.
        const backAfterMs = performance.now() - curedAtMs;
        await load.stop();

        printFact(
          `1 of ${size} 20 x slower (${slowMs} ms), ${perSecond} calls/s`,
          `${(shareOfVictim(ill, size) * 100).toFixed(1)} % of its fair share after ${((settledAtMs - illAtMs) / 1_000).toFixed(1)} s; ` +
            `p99 ${p99(ill).toFixed(0)} ms, of the others' calls ${p99(others).toFixed(0)} ms, round_robin ${plainIll.toFixed(0)} ms; ` +
            `share back ${(backAfterMs / 1_000).toFixed(1)} s after its cure; ${load.lost.length} lost / ${load.calls.length}`,
        );
        expect(describeLosses(load.lost)).toBe('');
        // Where the machine makes one well call in a hundred as slow as that, nobody can tell them apart so well.
        const isTold = p99(others) < slowMs / 2;
        expect(shareOfVictim(ill, size)).toBeLessThanOrEqual(isTold ? MOST_SHARE : 0.3);
        // What the machine adds, it adds to the others' calls, too. Asked evenly, one of ten would be the slowest tenth.
        expect(quantile(ill.map(tookMs), 0.95)).toBeLessThanOrEqual(2 * p99(others));
      });
    }
  });
}
