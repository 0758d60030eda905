import { describe, expect, it } from 'vitest';
import { pause } from '../../support/closers';
import { printFact } from '../../support/figure';
import { attemptsIn, type Behaviour, graylaneWork, keepCalling, plainWork, shareOfFirst, workServers } from './world';

/** 20 calls/s, and 4 calls/s of the first while it can do less. */
const WELL: Behaviour = { takesMs: 500, isEven: true, limit: 10 };
const PER_SECOND = 36;

/** How the server says it, and its pushback in milliseconds. */
type Way = readonly [how: string, pushbackMs: number | undefined];

export const BY_EXHAUSTED: Way = ['RESOURCE_EXHAUSTED', undefined];
export const BY_PUSHBACK: Way = ['UNAVAILABLE with a pushback of 500 ms', 500];

/** H8: one of three can do a third of its part for a while. It says "less", in either of two ways. */
export function describeBrownOut(ways: readonly Way[]): void {
  describe('an instance that can do less for a while', () => {
    const serving = workServers();
    const openGraylane = graylaneWork();
    const openPlain = plainWork();

    it.each(ways)('gets less, and its share back, by %s', { timeout: 90_000 }, async (how, pushbackMs) => {
      const well: Behaviour = { ...WELL, ...(pushbackMs === undefined ? {} : { pushbackMs }) };
      const [servers, others] = await Promise.all([1, 2].map(() => serving([well, well, well])));
      if (servers === undefined || others === undefined) throw new Error('both are served');
      const { work, opened, graylane } = await openGraylane(servers.map(({ port }) => port));
      const plain = await openPlain(others.map(({ port }) => port));
      const mine = keepCalling(work, PER_SECOND);
      const beside = keepCalling(plain, PER_SECOND);
      await pause(2_000);
      for (const all of [servers, others]) if (all[0] !== undefined) all[0].behaviour = { ...well, limit: 2 };
      await pause(6_000);
      mine.lost = 0;
      beside.lost = 0;
      const during = shareOfFirst(await attemptsIn(servers, 6_000));
      const [lost, lostBeside] = [mine.lost, beside.lost];
      const told = graylane.inspect().services[0]?.endpoints.map(({ share }) => share) ?? [];
      await beside.stop();
      if (servers[0] !== undefined) servers[0].behaviour = well;
      const curedAtMs = performance.now();
      let after = 0;
      while (after < 0.85 && performance.now() - curedAtMs < 40_000) {
        after = shareOfFirst(await attemptsIn(servers, 3_000));
      }
      const tookMs = performance.now() - curedAtMs;
      const steady = [1, 2].map(() => attemptsIn(servers, 3_000));
      const later = shareOfFirst((await Promise.all(steady))[0] ?? []);
      await mine.stop();
      printFact(
        `one of three can do a third of its part, says ${how}`,
        `${during.toFixed(2)} of its fair share, ${lost} lost of ${6 * PER_SECOND}, grpc-js ${lostBeside}; back ` +
          `${(tookMs / 1_000).toFixed(1)} s after the cure with ${after.toFixed(2)}, then ${later.toFixed(2)}`,
      );
      expect(opened).toEqual([]);
      expect(during).toBeLessThan(0.7);
      expect(during).toBeGreaterThan(0.05);
      expect(Math.min(...told)).toBe(told[0]);
      expect(lost).toBeLessThan(0.8 * lostBeside);
      expect(tookMs).toBeLessThan(30_000);
      expect(later).toBeGreaterThan(0.7);
    });
  });
}
