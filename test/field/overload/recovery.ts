import { expect, it } from 'vitest';
import { printFact } from '../../support/figure';
import { attemptsIn, graylaneWork, keepCalling, shareOfFirst, workServers } from './world';

const UNAVAILABLE = 14;

/** T4: a slow service gets an instance back that has failed for a moment. `takesMs`: what its answers take. */
export function recovery(takes: readonly number[]): void {
  const serving = workServers();
  const open = graylaneWork();

  it.each(takes)('five UNAVAILABLE of one of three, answers take %i ms', { timeout: 120_000 }, async (takesMs) => {
    const servers = await serving([1, 2, 3].map(() => ({ takesMs, isEven: true })));
    const { work, opened } = await open(
      servers.map(({ port }) => port),
      { retry: {} },
    );
    const calling = keepCalling(work, 10);
    // The first answers are known.
    await attemptsIn(servers, takesMs + 2_000);
    const [first] = servers;
    if (first === undefined) throw new Error('there are three');
    first.behaviour = { takesMs, isEven: true, failNext: { code: UNAVAILABLE, left: 5 } };
    await expect.poll(() => opened.length, { timeout: 20_000, interval: 20 }).toBe(1);
    first.behaviour = { takesMs, isEven: true };
    const curedAtMs = performance.now();
    let share = 0;
    while (share < 0.75 && performance.now() - curedAtMs < 40_000)
      share = shareOfFirst(await attemptsIn(servers, 3_000));
    const tookMs = performance.now() - curedAtMs;
    await calling.stop();
    printFact(
      `answers take ${takesMs} ms, five UNAVAILABLE of one of three`,
      `${share.toFixed(2)} of its fair share ${(tookMs / 1_000).toFixed(1)} s after its cure, ${calling.lost} lost`,
    );
    expect(tookMs).toBeLessThan(30_000);
    expect(opened).toHaveLength(1);
  });
}
