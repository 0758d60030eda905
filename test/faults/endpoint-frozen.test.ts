import { describe, expect, it } from 'vitest';
import { watchCalm } from '../support/calm';
import { closeAfterEach, pause } from '../support/closers';
import { printFact } from '../support/figure';
import { startServerProcess } from '../support/server-process';
import { sliceOf } from '../support/slice';
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
const RESET_MS = 2_000;
const DEADLINE_MS = 500;

describe('an instance that freezes', () => {
  for (const size of sliceOf([3, 10], 1)) {
    it(`one of ${size}: is out for five calls at most, costs none after that, and comes back`, async () => {
      const [victim, others] = await Promise.all([
        startServerProcess({ names: ['victim'] }),
        startServerProcess({ names: Array.from({ length: size - 1 }, (_, n) => `s${n}`) }),
      ]);
      for (const each of [victim, others]) closing(each, (one) => one.kill());
      const instances = [...victim.instances, ...others.instances];
      const policy = { retry: {}, breaker: { resetTimeoutMs: 1_000, maxResetTimeoutMs: RESET_MS } };
      const graylane = closing(openGraylane(instances, policy), (opened) => opened.close());
      const changes: { readonly event: string; readonly atMs: number }[] = [];
      graylane.breakers.subscribe(({ event }) => changes.push({ event, atMs: performance.now() }));
      const plain = closing(await roundRobin(instances), (opened) => opened.close());
      const calm = closing(watchCalm(), (each) => each.stop());
      const load = startLoad(await connectAll(graylane), 100, DEADLINE_MS);
      const plainLoad = startLoad(plain, 100, DEADLINE_MS);
      const control = startLoad(
        closing(await roundRobin(others.instances), (each) => each.close()),
        100,
        DEADLINE_MS,
      );
      await pause(2_000);
      victim.freeze();
      const frozenAtMs = performance.now();
      await pause(7_000);
      victim.thaw();
      const thawedAtMs = performance.now();
      await pause(RESET_MS + 2_000);
      await Promise.all([load.stop(), plainLoad.stop(), control.stop()]);

      const outAtMs = changes.find(({ event }) => event === 'open')?.atMs ?? Number.POSITIVE_INFINITY;
      const probes = changes.filter(({ event, atMs }) => event === 'halfOpen' && atMs < thawedAtMs).length;
      const lostBefore = load.lost.filter(
        ({ startedAtMs, endedAtMs }) => startedAtMs <= outAtMs && calm.isCalmAt(endedAtMs),
      );
      const lostAfter = load.lost.filter(({ startedAtMs }) => startedAtMs > outAtMs);
      const back = startedBetween(load.calls, thawedAtMs, Number.POSITIVE_INFINITY).find(
        ({ servedBy }) => servedBy === 'victim',
      );
      const backAfterMs = (back?.endedAtMs ?? Number.POSITIVE_INFINITY) - thawedAtMs;
      printFact(
        `1 of ${size} frozen for 7 s, deadline ${DEADLINE_MS} ms`,
        `${lostBefore.length} lost until out after ${Math.round(outAtMs - frozenAtMs)} ms, ${lostAfter.length} by ${probes} probes, ` +
          `back ${Math.round(backAfterMs)} ms after the thaw (reset at most ${RESET_MS} ms) / ${load.calls.length} calls; ` +
          `round_robin ${plainLoad.lost.length} / ${plainLoad.calls.length}`,
      );
      // What calls to the others lose, and their slowest answer, are other load's.
      const late = slowestMs(control.calls);
      expect(lostBefore.length).toBeLessThanOrEqual(5 + 2 * control.lost.length);
      expect(calm.msBetween(frozenAtMs, Math.min(outAtMs, thawedAtMs))).toBeLessThanOrEqual(2_000 + late);
      if (outAtMs < thawedAtMs - 3_000) expect(probes).toBeGreaterThan(0);
      if (control.lost.length === 0) expect(describeLosses(lostAfter)).toBe('');
      else expect(lostAfter.length).toBeLessThanOrEqual(2 * control.lost.length);
      expect(backAfterMs).toBeLessThanOrEqual(RESET_MS + 1_000 + late);
    });
  }

  it('is out in time too when no call may be retried, though one more is lost for it', async () => {
    const [victim, others] = await Promise.all([
      startServerProcess({ names: ['victim'] }),
      startServerProcess({ names: ['s0', 's1'] }),
    ]);
    for (const each of [victim, others]) closing(each, (one) => one.kill());
    const graylane = closing(openGraylane([...victim.instances, ...others.instances], { retry: 'off' }), (opened) =>
      opened.close(),
    );
    let outAtMs = Number.POSITIVE_INFINITY;
    graylane.breakers.subscribe(({ event }) => {
      if (event === 'open') outAtMs = Math.min(outAtMs, performance.now());
    });
    const calm = closing(watchCalm(), (each) => each.stop());
    const load = startLoad(await connectAll(graylane), 100, DEADLINE_MS);
    const control = startLoad(
      closing(await roundRobin(others.instances), (each) => each.close()),
      100,
      DEADLINE_MS,
    );
    await pause(1_000);
    victim.freeze();
    const frozenAtMs = performance.now();
    await pause(2_500);
    await Promise.all([load.stop(), control.stop()]);
    victim.thaw();
    const endedAtMs = performance.now();
    printFact(
      `1 of 3 frozen, deadline ${DEADLINE_MS} ms, retries off`,
      `${load.lost.length} lost until out after ${Math.round(outAtMs - frozenAtMs)} ms / ${load.calls.length} calls`,
    );
    const lost = load.lost.filter(({ endedAtMs }) => calm.isCalmAt(endedAtMs));
    expect(lost.length).toBeLessThanOrEqual(5 + 2 * control.lost.length);
    const late = slowestMs(control.calls);
    expect(calm.msBetween(frozenAtMs, Math.min(outAtMs, endedAtMs))).toBeLessThanOrEqual(2_000 + late);
  });
});
